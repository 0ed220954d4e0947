import NeedletailTelemetry

/// Numbers the labels (name and value) of series, tenant by tenant: what a part's dictionary is made from, and what
/// series are sorted by.
///
/// Series that resemble the one before are cheap: a label that is equal to the one at the same place there is found by
/// comparing its bytes.
struct LabelInterner: Sendable {
  private(set) var names = TextTable()
  /// Grouped by the numbers of their names.
  private(set) var values = TextTable()
  private var previousTenant = UInt32.max
  private var previousLabels: [UInt8] = []
  /// Of the labels of the series before: where each ends, and its number.
  private var previous: [(end: Int, value: UInt32)] = []
  private var current: [(end: Int, value: UInt32)] = []

  /// Appends the numbers of a series' labels, in their canonical sequence; tenants are numbered by the caller.
  mutating func intern(
    _ labels: UnsafeRawBufferPointer, tenant: UInt32, into numbers: inout [UInt32]
  ) throws(MalformedBytes) {
    if tenant != previousTenant { previous.removeAll(keepingCapacity: true) }
    previousTenant = tenant
    current.removeAll(keepingCapacity: true)
    var reader = ByteReader(labels)
    while !reader.isAtEnd {
      let value: UInt32
      if let (known, length) = numberOfPrevious(labels, reader.offset) {
        value = known
        _ = try reader.read(count: length)
      } else {
        let name = names.number(of: try reader.readPrefixed(), group: tenant)
        value = values.number(of: try reader.readPrefixed(), group: name)
      }
      numbers.append(value)
      current.append((reader.offset, value))
    }
    swap(&previous, &current)
    previousLabels.removeAll(keepingCapacity: true)
    previousLabels.append(contentsOf: labels)
  }

  /// The number and the length of the label at `start` where the series before has the same one at this place.
  @inline(__always) private func numberOfPrevious(
    _ labels: UnsafeRawBufferPointer, _ start: Int
  ) -> (value: UInt32, length: Int)? {
    let place = current.count
    guard place < previous.count else { return nil }
    let previousStart = place == 0 ? 0 : previous[place - 1].end
    let length = previous[place].end - previousStart
    guard labels.count - start >= length else { return nil }
    // Labels tell their own lengths: bytes that begin with a whole label hold that label.
    let isSame = previousLabels.withUnsafeBytes { bytes in
      ByteOrder.compare(
        UnsafeRawBufferPointer(rebasing: labels[start..<(start + length)]),
        UnsafeRawBufferPointer(rebasing: bytes[previousStart..<(previousStart + length)])) == 0
    }
    return isSame ? (previous[place].value, length) : nil
  }

  /// The labels in the order of tenant, name and value.
  ///
  /// `tenantRanks` tells the order of the tenants.
  func order(tenantRanks: [UInt32]) -> LabelOrder {
    let nameOrder = names.order(groupRanks: tenantRanks)
    var nameRanks = [UInt32](repeating: 0, count: names.count)
    for (rank, name) in nameOrder.enumerated() { nameRanks[name] = UInt32(truncatingIfNeeded: rank) }
    let valueOrder = values.order(groupRanks: nameRanks)
    var ranks = [UInt32](repeating: 0, count: values.count)
    for (rank, value) in valueOrder.enumerated() { ranks[value] = UInt32(truncatingIfNeeded: rank) }
    return LabelOrder(values: valueOrder, ranks: ranks)
  }
}

/// The labels of an interner, sorted.
struct LabelOrder: Sendable {
  /// The numbers in order.
  var values: [Int]
  /// The place of each number in that order.
  var ranks: [UInt32]
}
