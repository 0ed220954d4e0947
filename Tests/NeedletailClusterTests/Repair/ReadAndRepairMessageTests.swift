@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("Bytes of messages about reads and repair") struct ReadAndRepairMessageTests {
  private func digest(_ generator: inout SeededGenerator) -> RangeDigest {
    RangeDigest(high: generator.next(), low: generator.next(), count: generator.next())
  }

  private func hash(_ generator: inout SeededGenerator) -> Hash128 {
    Hash128(high: generator.next(), low: generator.next())
  }

  private func slots(_ generator: inout SeededGenerator) -> SlotSet {
    let limit = generator.chance(0.95) ? 1024 : 65_536
    return SlotSet((0..<generator.below(12)).map { _ in UInt16(generator.below(limit)) })
  }

  private func windows(_ generator: inout SeededGenerator) -> ClosedRange<Int64> {
    if generator.chance(0.2) { return .min ... .max }
    let first = Int64(generator.below(500_000)) - 1000
    return first...(first + Int64(generator.below(30)))
  }

  private func bytes(_ generator: inout SeededGenerator) -> [UInt8] {
    (0..<generator.below(20)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
  }

  private func request(_ generator: inout SeededGenerator) -> SlotExport.Request {
    var request = SlotExport.Request(keys: (0..<generator.below(5)).map { _ in hash(&generator) })
    if generator.chance(0.5) {
      request.position = SlotExport.Position(section: 2, time: Int64(generator.below(999)) - 500, passed: 7)
    }
    return request
  }

  private func read(_ generator: inout SeededGenerator) -> ReadMessage {
    let (number, ask) = (generator.next(), generator.below(300))
    switch generator.below(3) {
    case 0:
      var asked = QuorumRead.Ask(id: ask, node: NodeID("n"), series: slots(&generator), digests: slots(&generator))
      var left = slots(&generator)
      while let slot = left.first(where: { _ in true }) {
        left.remove(slot)
        asked.reduced.append([slot])
      }
      if Bool.random(using: &generator), !asked.slots.isEmpty { asked.sums = [asked.slots] }
      return .request(
        ReadMessage.Request(
          read: number, ask: asked, epoch: generator.next(), reader: NodeID("node-\(generator.below(20))"),
          windows: windows(&generator), timeLeft: generator.next(), selection: bytes(&generator)))
    case 1:
      var answer = QuorumRead.Answer(windows: windows(&generator), digests: [:])
      for slot in slots(&generator) { answer.digests[slot] = digest(&generator) }
      answer.notReady = slots(&generator)
      answer.series = slots(&generator)
      answer.reduced = (0..<generator.below(5)).map { _ in generator.below(200) }
      return .response(
        ReadMessage.Response(
          read: number, ask: ask, epoch: generator.next(), answer: answer, data: bytes(&generator)))
    default:
      return .failure(
        read: number, ask: ask, epoch: generator.next(), reason: "too many series: \(generator.below(9))")
    }
  }

  private func repair(_ generator: inout SeededGenerator) -> RepairMessage {
    let children = (0..<generator.below(6)).map { index in
      RepairMessage.Child(index: Int64(index * 3 - 4), digest: digest(&generator))
    }
    let window = Int64(generator.below(1000)) - 500
    let body: RepairMessage.Body
    let isReady = Bool.random(using: &generator)
    switch generator.below(11) {
    case 0: body = .question(.compare(digest(&generator)))
    case 1:
      guard let node = TreeNode(level: UInt8(generator.below(10)), index: window) else { return repair(&generator) }
      body = .question(.expand(node))
    case 2: body = .question(.list(window: window, bucket: UInt8(generator.below(195))))
    case 3:
      let bucket = UInt8(generator.below(195))
      let all = SlotExport.Request(RepairMessage.Bucket(bucket).share)
      body = .question(.pull(window: window, bucket: bucket, generator.chance(0.5) ? all : request(&generator)))
    case 4: body = .question(.push(payload: bytes(&generator)))
    case 5: body = .reply(.same, isReady: isReady)
    case 6: body = .reply(.nodes(level: UInt8(generator.below(10)), children), isReady: isReady)
    case 7: body = .reply(.buckets(children), isReady: isReady)
    case 8:
      let series = (0..<generator.below(5)).map { _ in
        RepairMessage.Series(id: hash(&generator), digest: digest(&generator))
      }
      body = .reply(.series(series), isReady: isReady)
    case 9:
      let rest = generator.chance(0.5) ? request(&generator) : nil
      body = .reply(.payload(bytes(&generator), rest: rest), isReady: isReady)
    default: body = .reply(.stored, isReady: isReady)
    }
    return RepairMessage(
      exchange: generator.next(), number: UInt32(truncatingIfNeeded: generator.next()),
      slot: UInt16(generator.below(65_536)), epoch: generator.next(), windows: windows(&generator),
      identity: NodeIdentity(hash(&generator)),
      body: body)
  }

  @Test("Every message comes back from its bytes, and none from a part of them")
  func roundTrip() throws {
    for seed in 1...200 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let (one, other) = (read(&generator), repair(&generator))
      #expect(try ReadMessage(one.bytes, node: NodeID("n")) == one, "seed \(seed)")
      #expect(try RepairMessage(other.bytes) == other, "seed \(seed)")
      #expect(one.bytes.prefix(2) == [3, 3] && other.bytes.prefix(2) == [4, 1])
      let (first, second) = (one.bytes, other.bytes)
      let parts = first.indices.map { Array(first[..<$0]) } + [first + [0]]
      #expect(parts.allSatisfy { (try? ReadMessage($0, node: NodeID("n"))) == nil }, "seed \(seed)")
      let others = second.indices.map { Array(second[..<$0]) } + [second + [0]]
      #expect(others.allSatisfy { (try? RepairMessage($0)) == nil }, "seed \(seed)")
    }
  }

  @Test("A request to compare comes back from its bytes, none from a part of them, and harm does none")
  func comparisons() throws {
    for seed in 1...300 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      let request = CompareRequest(with: NodeID("node-1"), slots(&generator), windows: windows(&generator))
      var bytes = request.encoded
      #expect(try CompareRequest(decoding: bytes) == request)
      let parts = bytes.indices.map { Array(bytes[..<$0]) } + [bytes + [0]]
      #expect(parts.allSatisfy { (try? CompareRequest(decoding: $0)) == nil }, "seed \(seed)")
      bytes[generator.below(bytes.count)] = UInt8(truncatingIfNeeded: generator.next())
      if let read = try? CompareRequest(decoding: bytes) { #expect(try CompareRequest(decoding: read.encoded) == read) }
    }
  }

  @Test("Whatever is done to the bytes, they are refused or say something that can be written again")
  func mutations() {
    for seed in 1...2_000 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var (one, other) = (read(&generator).bytes, repair(&generator).bytes)
      for _ in 0..<(1 + generator.below(4)) {
        let value = generator.chance(0.3) ? 0xff : UInt8(truncatingIfNeeded: generator.next())
        one[2 + generator.below(one.count - 2)] = value
        other[2 + generator.below(other.count - 2)] = value
      }
      let (read, repair) = (try? ReadMessage(one, node: NodeID("n")), try? RepairMessage(other))
      let isSame = (try? read.map { try ReadMessage($0.bytes, node: NodeID("n")) }) == read
      let isAlsoSame = (try? repair.map { try RepairMessage($0.bytes) }) == repair
      if !isSame || !isAlsoSame { Issue.record("seed \(seed): \(String(describing: (read, repair)))") }
    }
  }

  @Test("The bytes of a message never change")
  func golden() {
    let message = RepairMessage(
      exchange: 1, number: 2, slot: 3, epoch: 10, windows: 4...5, identity: NodeIdentity(Hash128(high: 6, low: 7)),
      body: .question(.list(window: 8, bucket: 9)))
    let head: [UInt8] = [4, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0]
    let numbers: [UInt8] = [10, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]
    let identity: [UInt8] = [7, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]
    #expect(message.bytes == head + numbers + identity + [8, 0, 0, 0, 0, 0, 0, 0, 9])
    let ask = QuorumRead.Ask(
      id: 1, node: NodeID("n"), reduced: [[0, 1, 2], [7]], series: [], digests: [1023],
      sums: [[0, 1, 2], [7, 1023]])
    let request = ReadMessage.Request(
      read: 2, ask: ask, epoch: 9, reader: NodeID("r"), windows: 3...4, timeLeft: 5, selection: [6])
    let start: [UInt8] = [3, 3, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0x72]
    let slots: [UInt8] = [2, 1, 0, 2, 1, 7, 0, 0, 1, 0xff, 7, 0]
    let sums: [UInt8] = [2, 1, 0, 2, 2, 7, 0, 0xf7, 7, 0]
    let last: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 1, 6]
    #expect(ReadMessage.request(request).bytes == start + slots + sums + last)
  }
}
