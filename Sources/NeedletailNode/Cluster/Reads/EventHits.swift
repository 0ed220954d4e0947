import NeedletailCluster
import NeedletailEvents
import NeedletailQueryEngine
import NeedletailTelemetry

/// A log record or a span, as it travels between nodes.
protocol SharedEvent: EventFields, Sendable {
  static var frameKind: Frame.Kind { get }
  /// The record of a row of a batch of this kind.
  static func read(_ rows: EventRows, _ row: Int) throws(MalformedBytes) -> Self
  func append(to builder: inout EventBatchBuilder, stream: UInt32)
  /// What all of the record comes to, bit by bit; by a builder without streams, which stays as it is.
  func identity(_ builder: inout EventBatchBuilder) -> Hash128
}

extension LogRecord: SharedEvent {
  static var frameKind: Frame.Kind { .logs }
  static func read(_ rows: EventRows, _ row: Int) throws(MalformedBytes) -> LogRecord { try rows.log(row) }
  func append(to builder: inout EventBatchBuilder, stream: UInt32) { builder.append(self, stream: stream) }
  func identity(_ builder: inout EventBatchBuilder) -> Hash128 { builder.identity(of: self) }
}

extension SpanRecord: SharedEvent {
  static var frameKind: Frame.Kind { .spans }
  static func read(_ rows: EventRows, _ row: Int) throws(MalformedBytes) -> SpanRecord { try rows.span(row) }
  func append(to builder: inout EventBatchBuilder, stream: UInt32) { builder.append(self, stream: stream) }
  func identity(_ builder: inout EventBatchBuilder) -> Hash128 { builder.identity(of: self) }
}

/// Events of one source, page by page, in the order of time that was asked for.
///
/// Used by one task at a time.
protocol EventHits<Record>: AnyObject {
  associatedtype Record: SharedEvent
  /// The next page; none after the last.
  func next() async throws -> [EventHit<Record>]
}

/// What this node has: all of it, or an error.
final class EngineHits<Record: SharedEvent>: EventHits {
  private let scan: EventScan<Record>
  private let plan: EventPlan
  private let pageSize: Int

  init(_ scan: EventScan<Record>, _ plan: EventPlan, pageSize: Int = 4096) {
    self.scan = scan
    self.plan = plan
    self.pageSize = pageSize
  }

  func next() async throws -> [EventHit<Record>] {
    while true {
      try Task.checkCancellation()
      let page = try EventStore.translating { () throws(EventEngineError) in
        try scan.next(upTo: pageSize, bytesMax: EventHitsMessage.bytesWanted)
      }
      if let damage = scan.damages.first { throw QueryError(.unavailable, "\(damage)") }
      let kept = page.filter { plan.passes($0) }
      // A page of which nothing passed is no end.
      if page.isEmpty || !kept.isEmpty { return kept }
    }
  }
}

/// Events that are there already, such as those of a trace.
final class ListedHits<Record: SharedEvent>: EventHits {
  private var hits: ArraySlice<EventHit<Record>>

  init(_ hits: [EventHit<Record>]) { self.hits = hits[...] }

  func next() async throws -> [EventHit<Record>] {
    var page: [EventHit<Record>] = []
    var bytes = 0
    while bytes < EventHitsMessage.bytesWanted, let hit = hits.popFirst() {
      page.append(hit)
      bytes += hit.byteCount + 64
    }
    return page
  }
}

/// What another node has, as its messages are wanted.
final class RemoteHits<Record: SharedEvent>: EventHits {
  private let stream: ReplicaStream
  private let reads: ClusterReads
  private let tenant: TenantID
  private let range: EventTimeRange
  private let order: EventOrder
  private var last: Int64?
  private var isAtEnd = false

  init(_ stream: ReplicaStream, _ reads: ClusterReads, tenant: TenantID, range: EventTimeRange, _ order: EventOrder) {
    (self.stream, self.reads, self.tenant, self.range, self.order) = (stream, reads, tenant, range, order)
  }

  func next() async throws -> [EventHit<Record>] {
    do throws(PeerError) {
      while !isAtEnd {
        guard let message = try await stream.stream.next() else { throw .malformed("it ended before its end") }
        do throws(MalformedBytes) {
          guard let hits = try EventHitsMessage.decode(message, of: tenant, as: Record.self) else {
            isAtEnd = true
            break
          }
          try check(hits)
          if !hits.isEmpty { return hits }
        } catch { throw .malformed("\(error)") }
      }
      return []
    } catch {
      try Task.checkCancellation()
      stream.stream.cancel()
      reads.counters.count(\.broken)
      reads.times.failed(stream.node, at: reads.now)
      throw error.queryError(of: stream.node)
    }
  }

  private func check(_ hits: [EventHit<Record>]) throws(MalformedBytes) {
    for hit in hits {
      let time = hit.record.eventTime
      guard range.contains(time) else { throw .invalid("an event outside of the range that was asked for") }
      if let last, order == .forward ? time < last : time > last { throw .invalid("events out of order") }
      last = time
    }
  }
}

/// What several sources have together: the same event once.
final class UnionHits<Record: SharedEvent>: EventHits {
  /// Bytes are compared and not values: a NaN is none of itself, and zeros of either sign are one.
  private struct Key: Hashable {
    var stream: Hash128
    var record: Hash128
  }

  private struct Input {
    var hits: any EventHits<Record>
    var page: ArraySlice<EventHit<Record>> = []
    var isAtEnd = false
  }

  private static var pageSize: Int { 4096 }
  private static var pageBytes: Int { 16 << 20 }
  private var inputs: [Input]
  private let order: EventOrder
  /// The instant of the last event, and all that there were of it.
  private var time: Int64?
  private var known: Set<Key> = []
  private var identities = EventBatchBuilder(kind: Record.frameKind, tenant: .default)

  init(_ sources: [any EventHits<Record>], _ order: EventOrder) {
    inputs = sources.map { Input(hits: $0) }
    self.order = order
  }

  func next() async throws -> [EventHit<Record>] {
    var result: [EventHit<Record>] = []
    var bytes = 0
    while result.count < Self.pageSize, bytes < Self.pageBytes {
      try await fill()
      guard let first = earliest(), let hit = inputs[first].page.popFirst() else { break }
      if inputs.count > 1 {
        if time != hit.record.eventTime { known.removeAll(keepingCapacity: true) }
        time = hit.record.eventTime
        let key = Key(stream: hit.stream.identity, record: hit.record.identity(&identities))
        guard known.insert(key).inserted else { continue }
      }
      result.append(hit)
      bytes += hit.byteCount
    }
    return result
  }

  private func fill() async throws {
    for index in inputs.indices where inputs[index].page.isEmpty && !inputs[index].isAtEnd {
      inputs[index].page = try await inputs[index].hits.next()[...]
      inputs[index].isAtEnd = inputs[index].page.isEmpty
    }
  }

  /// The input whose next event comes first; of several at one time the first.
  private func earliest() -> Int? {
    var best: (input: Int, time: Int64)?
    for index in inputs.indices {
      guard let time = inputs[index].page.first?.record.eventTime else { continue }
      if let best, order == .forward ? time >= best.time : time <= best.time { continue }
      best = (index, time)
    }
    return best?.input
  }
}
