import NeedletailTelemetry

/// The sections of a part's inverted index, made from the head's.
///
/// Values are numbered by tenant, name and value; a series' labels are the ascending numbers of its values, which is
/// the canonical order of its labels, so both directions come from one walk over the head's index.
struct PartInversion {
  /// For each tenant of the part: how many names; for each: the name, how many values, the values.
  private(set) var dictionary = ByteWriter()
  /// For each value: the numbers of the series that have it.
  private(set) var postings = ByteWriter()
  /// For each series: the numbers of its values.
  private(set) var labels = ByteWriter()
  /// Where each series' labels begin in `labels`.
  private(set) var labelOffsets: [UInt32] = []

  init(
    _ head: FrozenHead, names: [HeadFlush.SortedName], numbers: [Int], tenants: [PartContent.Tenant]
  ) {
    var members = [[Int]](repeating: [], count: head.registry.pairs.count)
    for (ordinal, number) in numbers.enumerated() {
      head.registry.forEachPair(number) { members[$0].append(ordinal) }
    }
    var pairs: [(series: UInt32, value: UInt32)] = []
    var valueCount = 0
    for tenant in tenants {
      var entries = ByteWriter()
      var nameCount = 0
      for name in names where name.tenant == tenant.tenant {
        var values = ByteWriter()
        let before = valueCount
        for value in name.values {
          let series = members[value]
          guard !series.isEmpty else { continue }
          head.registry.withValue(value) { values.appendPrefixed($0) }
          postings.appendAscending(series)
          for member in series {
            pairs.append((UInt32(truncatingIfNeeded: member), UInt32(truncatingIfNeeded: valueCount)))
          }
          valueCount += 1
        }
        guard valueCount > before else { continue }
        nameCount += 1
        name.text.withUnsafeBytes { entries.appendPrefixed($0) }
        entries.appendVarint(UInt64(valueCount - before))
        entries.append(values.bytes)
      }
      dictionary.appendVarint(UInt64(nameCount))
      dictionary.append(entries.bytes)
    }
    invert(pairs, seriesCount: numbers.count)
  }

  /// Counting sort by series; it keeps the ascending order of the values.
  private mutating func invert(_ pairs: [(series: UInt32, value: UInt32)], seriesCount: Int) {
    var ends = [Int](repeating: 0, count: seriesCount + 1)
    for pair in pairs { ends[Int(pair.series) + 1] += 1 }
    for series in 0..<seriesCount { ends[series + 1] += ends[series] }
    var next = ends
    var values = [Int](repeating: 0, count: pairs.count)
    for pair in pairs {
      values[next[Int(pair.series)]] = Int(pair.value)
      next[Int(pair.series)] += 1
    }
    labelOffsets.reserveCapacity(seriesCount)
    for series in 0..<seriesCount {
      labelOffsets.append(UInt32(truncatingIfNeeded: labels.count))
      labels.appendAscending(values[ends[series]..<ends[series + 1]])
    }
  }
}
