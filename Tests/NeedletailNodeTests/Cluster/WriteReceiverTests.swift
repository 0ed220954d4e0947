import Foundation
import NeedletailCluster
import NeedletailCollector
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("A replica that is sent writes")
struct WriteReceiverTests {
  private let now = Int64(Date().timeIntervalSince1970) * 1000

  private func message(
    _ frames: [Frame], slots: [UInt16], epoch: UInt64, attempt: UInt8 = 1
  ) throws -> [UInt8] {
    let append = WriteAppend(
      WriteID(Hash128(high: 1, low: 2)), attempt: attempt, epoch: epoch, slots: slots,
      frames: frames.map { $0.bytes[...] })
    return WriteMessage.append(try #require(append)).encoded
  }

  private func answer(_ node: WriteNode, _ message: [UInt8]) async throws -> WriteRefusal? {
    switch try WriteMessage(decoding: try await node.up.writing.receiver.answer(message)) {
    case .acknowledge: return nil
    case .refuse(_, _, let refusal): return refusal
    case .append: throw MalformedBytes.invalid("no answer")
    }
  }

  private func layout(_ epoch: UInt64, of names: [String]) -> ClusterLayout {
    let ring = HashRing(names.map { RingMember(NodeID($0)) })
    return ClusterLayout(
      epoch: epoch, assignment: SlotAssignment(ring, replicaCount: 2), writeLevel: .quorum)
  }

  @Test("takes them under its own version or a newer one, hints under any, and only for slots that it holds")
  func versions() async throws {
    let node = try WriteNode(NodeID("n1"))
    try await node.start()
    let written = try WrittenSeries(0..<5, at: now - 1_000)
    let frames = [written.definitions.frame, written.batch.frame]
    let slots = Set(written.batch.slots(.standard)).sorted()
    // As long as it knows no version it asks to come again: it has been started a moment ago.
    #expect(
      try await answer(node, try message(frames, slots: slots, epoch: 5)) == .overloaded(retryAfterMilliseconds: 200))
    let view = try await node.up.view
    view.take(layout(5, of: ["n1", "n2"]))
    #expect(try await answer(node, try message([written.batch.frame], slots: slots, epoch: 5)) == .unknownSeries)
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 4)) == .notReplica)
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 4, attempt: 0)) == nil)
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 5)) == nil)
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 6)) == nil)
    view.take(layout(7, of: ["n2", "n3"]))
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 7)) == .notReplica)
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 7, attempt: 0)) == .notReplica)
    // Whoever made this one knows of a version by which they may have come back.
    #expect(
      try await answer(node, try message(frames, slots: slots, epoch: 8, attempt: 0))
        == .overloaded(retryAfterMilliseconds: 200))
    await node.stop()
  }

  @Test("takes of a hint what it still holds of its slots, and nothing of those that have moved away")
  func moved() async throws {
    let node = try WriteNode(NodeID("n1"))
    try await node.start()
    let written = try WrittenSeries(0..<60, at: now - 1_000)
    let slotOfRow = written.batch.slots(.standard)
    let slots = Set(slotOfRow).sorted()
    let later = layout(3, of: ["n1", "n2", "n3", "n4"])
    let own = later.slots(of: NodeID("n1"))
    let held = slotOfRow.count { own.contains($0) }
    #expect(held > 0 && held < slotOfRow.count)
    try await node.up.view.take(later)
    let frames = [written.definitions.frame, written.batch.frame]
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 3)) == .notReplica)
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 2, attempt: 0)) == nil)
    #expect(try await node.up.storage.series.statistics.samplesAppended == UInt64(held))
    await node.stop()
  }

  @Test("refuses for good what is no frame, what does not belong together, and rows of slots that are not named")
  func malformed() async throws {
    let node = try WriteNode(NodeID("n1"))
    try await node.start()
    try await node.up.view.take(layout(1, of: ["n1", "n2"]))
    let written = try WrittenSeries(0..<5, at: now - 1_000)
    let (batch, definitions) = (written.batch.frame, written.definitions.frame)
    let slots = Set(written.batch.slots(.standard)).sorted()
    for frames in [[definitions], [batch, definitions], [batch, batch], [definitions, definitions]] {
      #expect(try await answer(node, try message(frames, slots: slots, epoch: 1)) == .forGood(.malformed))
    }
    let others = Array(slots.dropFirst())
    #expect(try await answer(node, try message([definitions, batch], slots: others, epoch: 1)) == .forGood(.malformed))
    var flipped = try message([definitions, batch], slots: slots, epoch: 1)
    flipped[flipped.count - 3] ^= 1
    #expect(try await answer(node, flipped) == .forGood(.malformed))
    let receiver = try await node.up.writing.receiver
    await #expect(throws: MalformedBytes.self) { try await receiver.answer([1, 2, 3]) }
    let acknowledgement = WriteMessage.acknowledge(WriteID(Hash128(high: 0, low: 0)), attempt: 1).encoded
    await #expect(throws: MalformedBytes.self) { try await receiver.answer(acknowledgement) }
    #expect(try await node.up.storage.series.statistics.samplesAppended == 0)
    await node.stop()
  }

  @Test("refuses for good what is all too old, but a hint of it is settled: nobody keeps it any more")
  func tooOld() async throws {
    let node = try WriteNode(NodeID("n1"))
    try await node.start()
    try await node.up.view.take(layout(1, of: ["n1", "n2"]))
    let written = try WrittenSeries(0..<5, at: 1_000)
    let frames = [written.definitions.frame, written.batch.frame]
    let slots = Set(written.batch.slots(.standard)).sorted()
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 1)) == .forGood(.outOfRetention))
    #expect(try await answer(node, try message(frames, slots: slots, epoch: 1, attempt: 0)) == nil)
    await node.stop()
  }

  @Test("has a folder for hints whose name leads to its own and nowhere else")
  func folders() {
    for name in ["n1", "a-b_C9", "../../etc", ".", "eu/west:1", "100%", "a.b"] {
      let folder = HintFolder.name(of: NodeID(name))
      #expect(!folder.contains("/") && !folder.contains("."))
      #expect(HintFolder.node(of: folder) == NodeID(name))
    }
    for folder in ["", "%", "%2", "%zz", "%61", "a.b", "%2F"] { #expect(HintFolder.node(of: folder) == nil) }
  }
}
