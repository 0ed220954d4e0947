import NeedletailTelemetry

/// Puts a head's series in the order of a part: by tenant, then in `SeriesOrder`.
///
/// Labels are read once and numbered in their order; sorting compares numbers, mostly the first 128 bits of them.
struct HeadOrder {
  private struct Key {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var series: UInt32
    /// Where the ranks of its labels begin.
    var start: Int
    var count: Int

    /// Puts a number of so many bits behind those before; false where there is no room left.
    mutating func append(_ number: UInt64, bits: Int, used: inout Int) -> Bool {
      guard used + bits <= 128 else { return false }
      let shift = 128 - used - bits
      if shift >= 64 {
        high |= number << UInt64(shift - 64)
      } else {
        low |= number << UInt64(shift)
        if shift + bits > 64 { high |= number >> UInt64(64 - shift) }
      }
      used += bits
      return true
    }
  }

  private let head: HeadStorage

  init(_ head: HeadStorage) { self.head = head }

  /// The numbers of the series that `isWanted` accepts, in order.
  func sorted(where isWanted: (Int) -> Bool) -> [Int] {
    let registry = head.registry
    var interner = LabelInterner()
    var numbers: [UInt32] = []
    var keys: [Key] = []
    for series in 0..<registry.count where isWanted(series) {
      let start = numbers.count
      registry.withLabels(series) { labels in
        // What a head keeps was checked when it came.
        try? interner.intern(labels, tenant: UInt32(truncatingIfNeeded: registry.tenant(series)), into: &numbers)
      }
      keys.append(
        Key(series: UInt32(truncatingIfNeeded: series), start: start, count: numbers.count - start))
    }
    let order = interner.order(tenantRanks: tenantRanks())
    for index in numbers.indices { numbers[index] = order.ranks[Int(numbers[index])] }
    fill(&keys, numbers, interner, order)
    keys.sort { left, right in
      if left.high != right.high { return left.high < right.high }
      if left.low != right.low { return left.low < right.low }
      return numbers[left.start..<(left.start + left.count)]
        .lexicographicallyPrecedes(numbers[right.start..<(right.start + right.count)])
    }
    return keys.map { Int($0.series) }
  }

  /// Tenant, metric's name, and as many labels as there is room for; 0 stands for what is not there.
  private func fill(_ keys: inout [Key], _ ranks: [UInt32], _ interner: LabelInterner, _ order: LabelOrder) {
    let tenantRanks = tenantRanks()
    let tenantBits = UInt64.bitWidth - UInt64(tenantRanks.count).leadingZeroBitCount
    let bits = UInt64.bitWidth - UInt64(order.values.count).leadingZeroBitCount
    let isName = interner.names.entries.indices.map { interner.names.withText($0, SeriesOrder.isMetricName) }
    for index in keys.indices {
      var key = keys[index]
      var used = 0
      let labels = ranks[key.start..<(key.start + key.count)]
      _ = key.append(UInt64(tenantRanks[head.registry.tenant(Int(key.series))]), bits: tenantBits, used: &used)
      let metric = labels.first { isName[Int(interner.values.entries[order.values[Int($0)]].group)] }
      _ = key.append(metric.map { UInt64($0) + 1 } ?? 0, bits: bits, used: &used)
      for label in labels where !key.append(UInt64(label) + 1, bits: bits, used: &used) { break }
      keys[index] = key
    }
  }

  private func tenantRanks() -> [UInt32] {
    let tenants = head.registry.tenants
    var ranks = [UInt32](repeating: 0, count: tenants.count)
    let order = RowSort.order(tenants.count) { tenants[$0].description < tenants[$1].description }
    for (rank, tenant) in order.enumerated() { ranks[tenant] = UInt32(truncatingIfNeeded: rank) }
    return ranks
  }
}
