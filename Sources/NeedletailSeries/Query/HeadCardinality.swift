import NeedletailTelemetry

/// How many series of a tenant have samples in the head, and which labels make them many.
package struct HeadCardinality: Equatable, Sendable {
  /// A text and how many series, values or bytes it stands for.
  package struct Count: Equatable, Sendable {
    package var name: String
    package var value: Int
  }

  package var seriesCount = 0
  /// Pairs of a label's name and value, each once.
  package var pairCount = 0
  /// Between which times, in ms, all of their samples lie; nil where there is none.
  package var times: ClosedRange<Int64>?
  /// Series by metric name; like the others those with the most first, equal ones by name.
  package var seriesOfMetrics: [Count] = []
  /// Values by label name.
  package var valuesOfNames: [Count] = []
  /// Bytes of these values by label name.
  package var bytesOfNames: [Count] = []
  /// Series by pair, as `name=value`.
  package var seriesOfPairs: [Count] = []
}

extension SeriesEngine {
  /// Counts what the tenant has in the head, and tells at most `limit` of each.
  ///
  /// O(labels of these series). Throws `.cancelled`.
  package func headCardinality(tenant: TenantID, limit: Int) throws(SeriesQueryError) -> HeadCardinality {
    let head = state.withLock { $0.head }
    var result = HeadCardinality()
    guard let view = head.directory.view(of: tenant) else { return result }
    let records = view.records
    var members = [Int](repeating: 0, count: records.pairs.count)
    let active = head.withStorage { $0.activeSeries }.map { Int($0) }
      .filter { $0 < view.universe && records.tenant($0) == view.tenant }
    result.seriesCount = active.count
    for start in stride(from: 0, to: active.count, by: 1024) {
      if Task.isCancelled { throw .cancelled }
      let some = active[start..<min(start + 1024, active.count)]
      for series in some { records.forEachPair(series) { members[$0] += 1 } }
      // The lock is held for some of them at a time.
      let bounds = head.withStorage { storage in some.compactMap { storage.bounds($0, in: .min ... .max) } }
      for times in bounds { result.add(times) }
    }
    result.count(members, records, limit)
    return result
  }
}

extension HeadCardinality {
  /// Widens the times by those of a series.
  fileprivate mutating func add(_ more: ClosedRange<Int64>) {
    let known = times ?? more
    times = min(known.lowerBound, more.lowerBound)...max(known.upperBound, more.upperBound)
  }

  /// Takes in how many series each pair has.
  fileprivate mutating func count(_ members: [Int], _ records: DirectoryRecords, _ limit: Int) {
    var values = [Int](repeating: 0, count: records.names.count)
    var bytes = values
    for (pair, count) in members.enumerated() where count > 0 {
      pairCount += 1
      let name = Int(records.pairs[pair].name)
      values[name] += 1
      bytes[name] += records.withValue(pair) { $0.count }
    }
    let metric = (0..<records.names.count).first { number in
      values[number] > 0 && records.withName(number) { $0.elementsEqual(LabelSet.nameLabel.utf8) }
    }
    let ofMetric = members.indices.map { Int(records.pairs[$0].name) == metric ? members[$0] : 0 }
    let text = { (pair: Int) in records.withValue(pair) { String(decoding: $0, as: UTF8.self) } }
    let name = { (number: Int) in records.withName(number) { String(decoding: $0, as: UTF8.self) } }
    seriesOfMetrics = Self.most(ofMetric, limit, text)
    valuesOfNames = Self.most(values, limit, name)
    bytesOfNames = Self.most(bytes, limit, name)
    seriesOfPairs = Self.most(members, limit) { name(Int(records.pairs[$0].name)) + "=" + text($0) }
  }

  /// The largest numbers above 0 with their names.
  private static func most(_ numbers: [Int], _ limit: Int, _ name: (Int) -> String) -> [Count] {
    let some = numbers.indices.filter { numbers[$0] > 0 }
    let order = RowSort.order(some.count) { numbers[some[$0]] > numbers[some[$1]] }
    guard let last = order.prefix(limit).last.map({ numbers[some[$0]] }) else { return [] }
    // Among those of the same number names decide, so all of the last one's are looked at.
    let counts = order.prefix { numbers[some[$0]] >= last }
      .map { Count(name: name(some[$0]), value: numbers[some[$0]]) }
    let sorted = RowSort.order(counts.count) {
      (counts[$1].value, counts[$0].name) < (counts[$0].value, counts[$1].name)
    }
    return sorted.prefix(limit).map { counts[$0] }
  }
}
