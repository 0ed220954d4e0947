import NeedletailTelemetry

// The order of series (`SeriesOrder`), without comparing the texts of labels series by series: the distinct pairs are
// sorted once, and series are compared by the ranks of their pairs, a rank at a time.

extension DirectoryRecords {
  /// The given series by tenant (its name), then metric name (none first), then their pairs in canonical sequence, each by name
  /// and value, as unsigned bytes, a set that another begins with first.
  ///
  /// O(p log p + n (log n + labels)) for p distinct pairs of n series.
  func sorted(_ series: [UInt32]) -> [UInt32] { order(of: series).map { series[$0] } }

  /// The places in `series`, in the order that `sorted` makes.
  func order(of series: [UInt32]) -> [Int] {
    // Most questions are about one series, and what follows looks at all names.
    guard series.count > 1 else { return Array(series.indices) }
    let ranks = pairRanks(of: series)
    let tenantRanks = tenantRanks()
    let metricName = Array(LabelSet.nameLabel.utf8)
    let isMetricName = (0..<names.count).map { name in withName(name) { $0.elementsEqual(metricName) } }
    var sort = RankSort(count: series.count)
    sort.run { member, depth in
      let number = Int(series[member])
      let list = labelLists[number]
      switch depth {
      case 0: return tenantRanks[list.tenant]
      case 1:
        for position in 0..<list.count {
          let pair = list[position]
          if isMetricName[Int(pairs[pair].name)] { return ranks[pair] }
        }
        return 0
      default: return depth - 2 < list.count ? ranks[list[depth - 2]] : nil
      }
    }
    return withExtendedLifetime(labelLists) { sort.order.map { Int($0) } }
  }

  /// For every pair that one of the series has: its place among them by name and value, from 1.
  private func pairRanks(of series: [UInt32]) -> [UInt32] {
    var ranks = [UInt32](repeating: 0, count: pairs.count)
    var keys: [PairKey] = []
    let nameRanks = nameRanks()
    for number in series {
      forEachPair(Int(number)) { pair in
        guard ranks[pair] == 0 else { return }
        ranks[pair] = 1
        keys.append(
          PairKey(
            name: nameRanks[Int(pairs[pair].name)], pair: UInt32(truncatingIfNeeded: pair),
            prefix: Self.prefix(texts.text(pairs[pair].value))))
      }
    }
    keys.sort { left, right in
      if left.name != right.name { return left.name < right.name }
      if left.prefix != right.prefix { return left.prefix < right.prefix }
      return texts.text(pairs[Int(left.pair)].value).precedes(texts.text(pairs[Int(right.pair)].value))
    }
    for (rank, key) in keys.enumerated() { ranks[Int(key.pair)] = UInt32(truncatingIfNeeded: rank + 1) }
    return withExtendedLifetime(texts) { ranks }
  }

  private struct PairKey {
    var name: UInt32
    var pair: UInt32
    /// The value's first eight bytes, the first one highest.
    var prefix: UInt64
  }

  private static func prefix(_ text: UnsafeRawBufferPointer) -> UInt64 {
    var prefix: UInt64 = 0
    for index in 0..<8 { prefix = prefix << 8 | (index < text.count ? UInt64(text[index]) : 0) }
    return prefix
  }

  private func nameRanks() -> [UInt32] {
    ranks(names.count) { left, right in withName(left) { left in withName(right) { left.precedes($0) } } }
  }

  private func tenantRanks() -> [UInt32] {
    ranks(tenants.count) { tenants[$0].description < tenants[$1].description }
  }

  private func ranks(_ count: Int, by precedes: (Int, Int) -> Bool) -> [UInt32] {
    var ranks = [UInt32](repeating: 0, count: count)
    for (rank, index) in RowSort.order(count, by: precedes).enumerated() {
      ranks[index] = UInt32(truncatingIfNeeded: rank)
    }
    return ranks
  }
}

/// Sorts members by sequences of numbers, of which one that ends precedes all that go on: by the first number, then
/// those that are equal by the next, and so on.
struct RankSort {
  /// The members in order, once `run` was called.
  private(set) var order: [UInt32]
  private var keys: [UInt64] = []

  init(count: Int) { order = (0..<UInt32(truncatingIfNeeded: count)).map { $0 } }

  /// Sorts; `rank` tells the number of a member at a depth, nil behind the end.
  mutating func run(_ rank: (_ member: Int, _ depth: Int) -> UInt32?) {
    var open = [(range: 0..<order.count, depth: 0)]
    while let (range, depth) = open.popLast() {
      guard range.count > 1 else { continue }
      // Behind the end is 0, and a rank is one more, so that ends come first.
      keys.removeAll(keepingCapacity: true)
      var isOrdered = true
      for position in range {
        let member = order[position]
        let key = (rank(Int(member), depth).map { UInt64($0) + 1 } ?? 0) << 31
        // 31 bits of the place keep equal members in the order in which they came.
        keys.append(key | UInt64(position - range.lowerBound))
        if keys.count > 1, keys[keys.count - 1] < keys[keys.count - 2] { isOrdered = false }
      }
      if !isOrdered {
        keys.sort()
        let before = Array(order[range])
        for (place, key) in keys.enumerated() {
          order[range.lowerBound + place] = before[Int(key & 0x7fff_ffff)]
        }
      }
      var start = 0
      while start < keys.count {
        let key = keys[start] >> 31
        var end = start + 1
        while end < keys.count, keys[end] >> 31 == key { end += 1 }
        // Those that ended are equal.
        if key != 0, end - start > 1 {
          open.append((range.lowerBound + start..<range.lowerBound + end, depth + 1))
        }
        start = end
      }
    }
  }
}
