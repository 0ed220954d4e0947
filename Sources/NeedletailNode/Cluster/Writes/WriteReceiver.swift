import NeedletailCluster
import NeedletailCollector
import NeedletailEnvironment
import NeedletailTelemetry

/// Answers the writes of other nodes to the replicas on this one, and the hints that they kept for it.
final class WriteReceiver: Sendable {
  /// After how long to ask a node again that does not know the topology yet; reading it from disk takes less.
  private static let startMilliseconds: UInt32 = 200

  private let view: ClusterView
  private let store: ReplicaStore
  private let counts = Lock<[Outcome: Int]>([:])

  /// What became of a write here.
  enum Outcome: String, CaseIterable, Sendable {
    case stored, overloaded
    case unknownSeries = "unknown_series"
    case notReplica = "not_replica"
    case refused
  }

  init(view: ClusterView, storage: StorageSink) {
    self.view = view
    store = ReplicaStore(storage: storage)
  }

  /// The answer to a call of `PeerMethod.write`, or to one message of `.writes`.
  func answer(_ message: [UInt8]) async throws(MalformedBytes) -> [UInt8] {
    guard case .append(let append) = try WriteMessage(decoding: message) else {
      throw .invalid("an answer where a write was expected")
    }
    do throws(WriteRefusal) {
      let frames = try check(append)
      try await store.store(frames, isHint: append.attempt == 0)
      // A newer assignment that came meanwhile may have been compared before the rows were there.
      guard append.attempt == 0 || append.epoch >= view.layout?.epoch ?? 0 else { throw .notReplica }
      count(.stored)
      return WriteMessage.acknowledge(append.write, attempt: append.attempt).encoded
    } catch {
      count(Outcome(error))
      return WriteMessage.refuse(append.write, attempt: append.attempt, error).encoded
    }
  }

  /// How often writes came to which end.
  var outcomes: [Outcome: Int] { counts.withLock { $0 } }

  private func count(_ outcome: Outcome) { counts.withLock { $0[outcome, default: 0] += 1 } }

  /// The frames of a write that this node is to store.
  ///
  /// Every row is held against the slots that the message names: one hash or less for each, and a sender that routes by
  /// another map would otherwise scatter rows where nobody looks for them. O(bytes).
  private func check(_ append: WriteAppend) throws(WriteRefusal) -> [Frame] {
    // A node that has just started does not know yet what it holds: that is no reason to give a hint up.
    guard let layout = view.layout else { throw .overloaded(retryAfterMilliseconds: Self.startMilliseconds) }
    // A hint is of whatever version it was made under; it is for this node, by the name that it had.
    let isHint = append.attempt == 0
    guard isHint || append.epoch >= layout.epoch else { throw .notReplica }
    let own = layout.slots(of: view.own)
    let named = SlotSet(append.slots)
    let isWhole = named.isSubset(of: own)
    if !isWhole {
      // Slots of a hint that have moved away meanwhile are whole where they are now, and have no place here.
      guard isHint else { throw .notReplica }
      // By a version that is not known here yet they may have come, not gone.
      guard append.epoch <= layout.epoch else {
        throw .overloaded(retryAfterMilliseconds: Self.startMilliseconds)
      }
      guard !named.isDisjoint(with: own) else { throw .notReplica }
    }
    do throws(MalformedBytes) {
      let frames = try Self.frames(append)
      guard let batch = frames.last, let first = frames.first, frames.allSatisfy({ $0.tenant == first.tenant }) else {
        throw .invalid("frames of different tenants")
      }
      let content: WriteContent =
        batch.kind == .seriesSamples
        ? .series(try SeriesBatch(validating: batch)) : .events(try EventBatch(validating: batch))
      let slots = content.slots(layout.assignment.slots)
      guard slots.allSatisfy({ named.contains($0) }) else {
        throw .invalid("a row of a slot that the message does not name")
      }
      guard !isWhole, !slots.isEmpty else { return frames }
      let rows = slots.indices.filter { own.contains(slots[$0]) }.map { UInt32(truncatingIfNeeded: $0) }
      guard let kept = content.selecting(rows[...]) else { throw .invalid("no row of a slot that the message names") }
      return frames.dropLast() + [kept.frame]
    } catch {
      throw .forGood(.malformed)
    }
  }

  /// Definitions, and a batch behind them.
  private static func frames(_ append: WriteAppend) throws(MalformedBytes) -> [Frame] {
    var frames: [Frame] = []
    for bytes in append.frames {
      let result = bytes.withUnsafeBytes { raw in Result { () throws(MalformedBytes) in try Frame(validating: raw) } }
      frames.append(try result.get())
    }
    guard frames.last.map({ $0.kind != .seriesDefinitions }) ?? false,
      frames.dropLast().allSatisfy({ $0.kind == .seriesDefinitions }),
      frames.count == 1 || frames.last?.kind == .seriesSamples
    else { throw .invalid("frames that do not belong together") }
    return frames
  }
}

extension WriteReceiver.Outcome {
  fileprivate init(_ refusal: WriteRefusal) {
    switch refusal {
    case .overloaded: self = .overloaded
    case .unknownSeries: self = .unknownSeries
    case .notReplica: self = .notReplica
    case .forGood: self = .refused
    }
  }
}
