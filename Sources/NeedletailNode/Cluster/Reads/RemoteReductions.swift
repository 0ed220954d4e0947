import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry

/// What other nodes reduced of one read, in the order of asks.
///
/// An answer that breaks off is an error that names the node, as with rows: what its digest spoke of is not there.
struct RemoteReductions: Sendable {
  /// The reductions of one answer.
  private struct Answer: Sendable {
    var node: NodeID
    var stream: ReplicaStream
    var count: Int
    /// Those that are part of the read, by their places.
    var used: Set<Int> = []
    /// Whether rows come behind them that are part of the read, too.
    var hasRows = false
  }

  /// What answers came to, by their places; of one nil where something cannot be reduced by itself.
  private typealias Found = [Int: [ReducedSeries]?]

  private let reads: ClusterReads
  private let reduction: SeriesReduction
  private let limits: SelectionLimits
  private let answers: [Answer]
  private var early: Found = [:]
  /// What all of them hold, in groups times steps: as much as a query may is the most.
  private let cells = Counted()

  private final class Counted: Sendable {
    private let sum = Lock(0)

    func add(_ count: Int) -> Int {
      sum.withLock { sum in
        sum += count
        return sum
      }
    }
  }

  init(reads: ClusterReads, result: QuorumReading.Result, _ reduction: SeriesReduction, _ limits: SelectionLimits) {
    self.reads = reads
    self.reduction = reduction
    self.limits = limits
    var answers: [Int: Answer] = [:]
    for use in result.outcome.uses where use.node != reads.view.own {
      guard let count = result.reductions[use.ask], count > 0, let stream = result.streams[use.ask] else { continue }
      var answer = answers[use.ask] ?? Answer(node: use.node, stream: stream, count: count)
      if let place = use.reduction { answer.used.insert(place) } else { answer.hasRows = true }
      answers[use.ask] = answer
    }
    self.answers = answers.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Reads those behind which there are rows to be read.
  mutating func readEarly() async throws {
    early = try await read(answers.indices.filter { answers[$0].hasRows })
  }

  /// All of them; nil where a node says that one cannot be reduced by itself.
  func all() async throws -> [ReducedSeries]? {
    let found = try await read(answers.indices.filter { !answers[$0].hasRows }).merging(early) { $1 }
    var parts: [ReducedSeries] = []
    for place in answers.indices {
      guard let some = found[place] ?? nil else {
        reads.counters.count(\.reductionsUnfit)
        return nil
      }
      parts += some
    }
    reads.counters.count(\.reductions, times: parts.count)
    return parts
  }

  /// Reads some answers at once, no further than to the first that cannot be reduced.
  private func read(_ places: [Int]) async throws -> Found {
    try await withThrowingTaskGroup(of: (place: Int, parts: [ReducedSeries]?).self) { tasks in
      for place in places {
        tasks.addTask { (place, try await read(answers[place])) }
      }
      var found: Found = [:]
      for try await (place, parts) in tasks {
        found[place] = .some(parts)
        guard parts != nil || answers[place].hasRows else {
          tasks.cancelAll()
          break
        }
      }
      return found
    }
  }

  /// The reductions of an answer that are used; nil where one of them cannot be had.
  private func read(_ answer: Answer) async throws -> [ReducedSeries]? {
    do {
      var (parts, isUnfit): ([ReducedSeries], Bool) = ([], false)
      for place in 0..<answer.count {
        let part = try await one(answer)
        guard answer.used.contains(place) else { continue }
        if let part { parts.append(part) } else { isUnfit = true }
        if isUnfit, !answer.hasRows { break }
      }
      return isUnfit ? nil : parts
    } catch let error as PeerError {
      try Task.checkCancellation()
      let failure = error.queryError(of: answer.node)
      if failure.kind != .execution {
        reads.counters.count(\.broken)
        reads.times.failed(answer.node, at: reads.now)
      }
      throw failure
    }
  }

  private func one(_ answer: Answer) async throws -> ReducedSeries? {
    var reader = ReducedSeriesReader(reduction, cellsMax: limits.samples)
    while !reader.isAtEnd {
      guard let message = try await answer.stream.stream.next() else {
        throw PeerError.malformed("it ended before its end")
      }
      let before = reader.cellCount
      do throws(MalformedBytes) { try reader.read(message) } catch { throw PeerError.malformed("\(error)") }
      guard cells.add(max(0, reader.cellCount - before)) <= limits.samples else {
        throw QueryError.tooManySamples(limit: limits.samples)
      }
    }
    return reader.result
  }
}
