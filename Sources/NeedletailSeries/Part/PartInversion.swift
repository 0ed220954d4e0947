import NeedletailTelemetry

/// The sections of a part's inverted index, made from the labels that its series were added with.
///
/// Values are numbered by tenant, name and value; a series' labels are the ascending numbers of its values, which is
/// the canonical order of its labels.
struct PartInversion {
  /// For each tenant of the part: how many names; for each: the name, how many values, the values.
  private(set) var dictionary = ByteWriter()
  /// For each value: the numbers of the series that have it.
  private(set) var postings = ByteWriter()
  /// For each series: the numbers of its values.
  private(set) var labels = ByteWriter()
  /// Where each series' labels begin in `labels`.
  private(set) var labelOffsets: [UInt32] = []

  /// `numbers` are the interner's numbers of all series' labels, one series behind the other, and `ends` where each
  /// series' end; tenants are numbered in their order.
  init(_ interner: LabelInterner, tenantCount: Int, numbers: [UInt32], ends: [Int]) {
    let order = interner.order(tenantRanks: (0..<tenantCount).map { UInt32(truncatingIfNeeded: $0) })
    writeDictionary(interner, order, tenantCount: tenantCount)
    labelOffsets.reserveCapacity(ends.count)
    var counts = [Int](repeating: 0, count: order.values.count + 1)
    var start = 0
    for end in ends {
      labelOffsets.append(UInt32(truncatingIfNeeded: labels.count))
      labels.appendAscending(numbers[start..<end].lazy.map { Int(order.ranks[Int($0)]) })
      for number in numbers[start..<end] { counts[Int(order.ranks[Int(number)]) + 1] += 1 }
      start = end
    }
    writePostings(order, counts: counts, numbers: numbers, ends: ends)
  }

  private mutating func writeDictionary(_ interner: LabelInterner, _ order: LabelOrder, tenantCount: Int) {
    var next = 0
    for tenant in 0..<tenantCount {
      var entries = ByteWriter()
      var nameCount = 0
      while next < order.values.count {
        let name = interner.values.entries[order.values[next]].group
        guard interner.names.entries[Int(name)].group == tenant else { break }
        var end = next
        while end < order.values.count, interner.values.entries[order.values[end]].group == name { end += 1 }
        nameCount += 1
        interner.names.withText(Int(name)) { entries.appendPrefixed($0) }
        entries.appendVarint(UInt64(end - next))
        for value in order.values[next..<end] { interner.values.withText(value) { entries.appendPrefixed($0) } }
        next = end
      }
      dictionary.appendVarint(UInt64(nameCount))
      dictionary.append(entries.bytes)
    }
  }

  /// Counting sort by value; it keeps the ascending order of the series.
  private mutating func writePostings(_ order: LabelOrder, counts: [Int], numbers: [UInt32], ends: [Int]) {
    var starts = counts
    for value in 0..<order.values.count { starts[value + 1] += starts[value] }
    var next = starts
    var series = [UInt32](repeating: 0, count: numbers.count)
    var position = 0
    for (number, end) in ends.enumerated() {
      while position < end {
        let value = Int(order.ranks[Int(numbers[position])])
        series[next[value]] = UInt32(truncatingIfNeeded: number)
        next[value] += 1
        position += 1
      }
    }
    for value in 0..<order.values.count {
      postings.appendAscending(series[starts[value]..<starts[value + 1]].lazy.map { Int($0) })
    }
  }
}
