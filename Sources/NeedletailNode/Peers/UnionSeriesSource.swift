import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

/// What several sources hold together, such as the replicas of some slots: the union of their series and samples.
///
/// The first source that fails ends the question: who may do without one asks others instead.
struct UnionSeriesSource: SeriesSource {
  let sources: [any SeriesSource]

  func select(_ selection: SeriesSelection) async throws -> any NeedletailQueryEngine.SeriesCursor {
    var selection = selection
    // A series is told from others by all of its labels, and what lies before a range is no part of the union.
    selection.hints.labels = nil
    selection.hints.takesHistogramBefore = false
    // What stands for samples of one source may have others of another source in between.
    selection.hints.standIns = nil
    let asked = selection
    let opened = try await ask { OpenedCursor(cursor: try await $0.select(asked)) }
    return UnionCursor(opened.map(\.cursor))
  }

  /// A cursor on its way from the task that opened it.
  ///
  /// `@unchecked Sendable`: that task has ended and kept nothing of it before the one that waits for it has it.
  private struct OpenedCursor: @unchecked Sendable {
    let cursor: any NeedletailQueryEngine.SeriesCursor
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    Self.texts(try await ask { try await $0.labelNames(scope, limit: limit) }, limit)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    Self.texts(try await ask { try await $0.labelValues(name, scope, limit: limit) }, limit)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    Self.labelSets(try await ask { try await $0.series(scope, limit: limit) }, limit)
  }

  /// The series of all lists, in order.
  static func labelSets(_ lists: [Listing<LabelSet>], _ limit: Int) -> Listing<LabelSet> {
    var found = Set<LabelSet>()
    for list in lists { found.formUnion(list.elements) }
    return Listing(Array(found.sorted(by: SeriesOrder.precedes).prefix(limit)), coverage: coverage(lists))
  }

  /// Of a metric that sources describe differently, the description of the first one counts.
  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    Self.metadata(try await ask { try await $0.metadata(tenant: tenant, metric: metric, limit: limit) }, limit)
  }

  /// The metrics of all lists, in order; the first description of each counts.
  static func metadata(_ lists: [[NamedMetadata]], _ limit: Int) -> [NamedMetadata] {
    var known: [String: MetricMetadata] = [:]
    for entry in lists.joined() {
      known[entry.metric] = known[entry.metric].map { MetricMetadata.winner($0, entry.metadata) } ?? entry.metadata
    }
    return known.map { NamedMetadata(metric: $0.key, metadata: $0.value) }
      .sorted { $0.metric.utf8.lexicographicallyPrecedes($1.metric.utf8) }.prefix(limit).map { $0 }
  }

  /// Asks all at once; the answers are in the order of the sources.
  private func ask<Answer: Sendable>(
    _ question: @escaping @Sendable (any SeriesSource) async throws -> Answer
  ) async throws -> [Answer] {
    try await withThrowingTaskGroup(of: (place: Int, answer: Answer).self) { group in
      for (place, source) in sources.enumerated() { group.addTask { (place, try await question(source)) } }
      var answers: [(place: Int, answer: Answer)] = []
      for try await answer in group { answers.append(answer) }
      return answers.sorted { $0.place < $1.place }.map(\.answer)
    }
  }

  /// The texts of all lists, in order.
  static func texts(_ lists: [Listing<String>], _ limit: Int) -> Listing<String> {
    var union = SortedTexts(limit: limit)
    for list in lists { union.add(list.elements) }
    return Listing(union.elements, coverage: coverage(lists))
  }

  private static func coverage<Element>(_ lists: [Listing<Element>]) -> Coverage {
    var coverage = lists.first?.coverage ?? .complete
    for list in lists.dropFirst() { coverage.merge(list.coverage) }
    return coverage
  }
}
