import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// What an answer of the cluster comes to, with how whole it is.
///
/// A part of it that breaks off, or that something damaged is met in, ends it with an error that names the node: what
/// that node's digest spoke of is not there.
final class ClusterCursor: SeriesCursor {
  private let cursor: any SeriesCursor
  /// Nil where it is not known yet, which the agreement waits for.
  private let slots: SlotCoverage?
  private let agreement: PendingAgreement?

  init(_ cursor: any SeriesCursor, _ slots: SlotCoverage?, _ agreement: PendingAgreement? = nil) {
    self.cursor = cursor
    self.slots = slots
    self.agreement = agreement
  }

  var coverage: Coverage {
    var coverage = cursor.coverage
    if let slots { coverage.merge(Coverage(slots)) }
    return coverage
  }

  var work: SelectionWork { cursor.work }
  var seriesMax: Int? { cursor.seriesMax }

  /// Throws `RefutedEarly` where it is known to be in vain.
  func next() async throws -> SeriesColumns? {
    if agreement?.isRefuted == true { throw RefutedEarly() }
    return try await cursor.next()
  }

  func shares(_ countMax: Int) -> [any SeriesShare] {
    cursor.shares(countMax).map { Share(share: $0, slots: slots, agreement: agreement) }
  }

  private struct Share: SeriesShare {
    let share: any SeriesShare
    let slots: SlotCoverage?
    let agreement: PendingAgreement?

    func cursor() -> any SeriesCursor { ClusterCursor(share.cursor(), slots, agreement) }
  }
}

/// What one node gives to an answer: all of it, or an error.
final class ReplicaCursor: SeriesCursor {
  private let cursor: any SeriesCursor
  private let node: NodeID
  private let reads: ClusterReads

  init(_ cursor: any SeriesCursor, of node: NodeID, _ reads: ClusterReads) {
    self.cursor = cursor
    self.node = node
    self.reads = reads
  }

  var coverage: Coverage { cursor.coverage }
  var work: SelectionWork { cursor.work }
  var seriesMax: Int? { cursor.seriesMax }

  func next() async throws -> SeriesColumns? {
    do {
      if let chunk = try await cursor.next() {
        if !chunk.derived.isEmpty { reads.counters.count(\.derived, times: chunk.derived.count) }
        return chunk
      }
    } catch {
      if !Task.isCancelled, (error as? QueryError)?.kind != .execution { broke() }
      throw error
    }
    guard let failure = cursor.coverage.failures.first else { return nil }
    // What is not in memory looks like that, too.
    if InMemoryRun.current?.hasRefused == true { throw CancellationError() }
    broke()
    throw QueryError(.unavailable, "node \(node) met something that it cannot read: \(failure); try again")
  }

  /// The question that comes next asks others first.
  private func broke() {
    guard InMemoryRun.current?.hasRefused != true else { return }
    reads.counters.count(\.broken)
    reads.times.failed(node, at: reads.now)
  }

  func shares(_ countMax: Int) -> [any SeriesShare] {
    cursor.shares(countMax).map { Share(share: $0, node: node, reads: reads) }
  }

  private struct Share: SeriesShare {
    let share: any SeriesShare
    let node: NodeID
    let reads: ClusterReads

    func cursor() -> any SeriesCursor { ReplicaCursor(share.cursor(), of: node, reads) }
  }
}

/// Those series of a cursor that lie in some slots.
final class SlotCursor: SeriesCursor {
  private let cursor: any SeriesCursor
  private let isWanted: (LabelSet) -> Bool

  init(_ cursor: any SeriesCursor, _ slots: SlotSet, of map: SlotMap, tenant: TenantID) {
    self.cursor = cursor
    isWanted = { slots.contains(map.slot(of: SeriesID($0, tenant: tenant))) }
  }

  var coverage: Coverage { cursor.coverage }
  var work: SelectionWork { cursor.work }

  func next() async throws -> SeriesColumns? {
    while let chunk = try await cursor.next() {
      let kept = (0..<chunk.count).map { isWanted(chunk.labels[$0]) }
      if kept.allSatisfy({ $0 }) { return chunk }
      let rest = chunk.only(kept)
      if rest.count > 0 { return rest }
    }
    return nil
  }
}

extension SeriesColumns {
  /// The rows that are kept.
  fileprivate func only(_ kept: [Bool]) -> SeriesColumns {
    var result = SeriesColumns()
    var histogram = 0
    for row in 0..<count {
      let samples = offsets[row]..<offsets[row + 1]
      let first = histogram
      while histogram < histogramIndexes.count, histogramIndexes[histogram] < samples.upperBound { histogram += 1 }
      if kept[row] { result.append(row, of: self, histograms: first..<histogram) }
    }
    return result
  }
}
