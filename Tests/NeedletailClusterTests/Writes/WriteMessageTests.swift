import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("Messages about writes") struct WriteMessageTests {
  private func message(_ generator: inout SeededGenerator) -> WriteMessage {
    let write = WriteID(Hash128(high: generator.next(), low: generator.next()))
    let attempt = UInt8.random(in: 0...255, using: &generator)
    switch Int.random(in: 0..<6, using: &generator) {
    case 0: return .acknowledge(write, attempt: attempt)
    case 1:
      return .refuse(
        write, attempt: attempt, .overloaded(retryAfterMilliseconds: .random(in: 0 ... .max, using: &generator)))
    case 2: return .refuse(write, attempt: attempt, Bool.random(using: &generator) ? .unknownSeries : .notReplica)
    case 3:
      let reason = WriteRefusal.Reason.allCases.randomElement(using: &generator) ?? .malformed
      return .refuse(write, attempt: attempt, .forGood(reason))
    default:
      let count = Int.random(in: 1...40, using: &generator)
      let top: UInt16 = Bool.random(using: &generator) ? 60 : .max
      let slots = Set((0..<count).map { _ in UInt16.random(in: 0...top, using: &generator) }).sorted()
      let frames = (0..<Int.random(in: 1...WriteAppend.framesMax, using: &generator)).map { _ in
        (0..<Int.random(in: 1...200, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }[...]
      }
      return WriteAppend(write, attempt: attempt, epoch: generator.next() >> 40, slots: slots, frames: frames).map {
        .append($0)
      }
        ?? .acknowledge(write, attempt: attempt)
    }
  }

  @Test(
    "come back as they were sent, and no part of one is taken for a whole", arguments: 1...60 as ClosedRange<UInt64>)
  func roundTrip(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let message = message(&generator)
    let bytes = message.encoded
    #expect(try WriteMessage(decoding: bytes) == message, "seed \(seed)")
    #expect(bytes.starts(with: [MessageKind.write.rawValue, WriteMessage.version]))
    for length in bytes.indices {
      #expect(throws: MalformedBytes.self, "seed \(seed), \(length) bytes") {
        try WriteMessage(decoding: Array(bytes[..<length]))
      }
    }
    #expect(throws: MalformedBytes.self) { try WriteMessage(decoding: bytes + [0]) }
  }

  @Test(
    "that were mutated are refused, or are messages that can be sent again", arguments: 1...60 as ClosedRange<UInt64>)
  func mutated(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let bytes = message(&generator).encoded
    for _ in 0..<200 {
      var mutant = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 0..<mutant.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: mutant[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: mutant[place] = [0, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
        case 2: mutant.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        default: if mutant.count > 1 { mutant.remove(at: place) }
        }
      }
      guard let message = try? WriteMessage(decoding: mutant) else { continue }
      #expect(try WriteMessage(decoding: message.encoded) == message, "seed \(seed)")
      if case .append(let append) = message {
        let isWhole =
          WriteAppend(
            append.write, attempt: append.attempt, epoch: append.epoch, slots: append.slots, frames: append.frames)
          != nil
        #expect(isWhole, "seed \(seed): only what may be sent is read")
      }
    }
  }

  private let head: [UInt8] = [2, 1, 1] + [UInt8](repeating: 7, count: 16) + [3, 9]

  @Test("have a form that never changes")
  func golden() {
    let write = WriteID(Hash128(high: 0x0807_0605_0403_0201, low: 0x1817_1615_1413_1211))
    let id: [UInt8] = Array(0x11...0x18) + Array(1...8)
    let append = WriteAppend(write, attempt: 5, epoch: 200, slots: [0, 1, 300], frames: [[9, 8], [7]])
    #expect(
      append.map { WriteMessage.append($0).encoded } == [2, 1, 1] + id + [
        5, 0xc8, 1, 3, 0, 0, 0xaa, 2, 2, 2, 9, 8, 1, 7,
      ])
    #expect(WriteMessage.acknowledge(write, attempt: 6).encoded == [2, 1, 2] + id + [6])
    #expect(
      WriteMessage.refuse(write, attempt: 1, .overloaded(retryAfterMilliseconds: 258)).encoded == [2, 1, 3] + id + [
        1, 1, 2, 1, 0, 0,
      ])
    #expect(WriteMessage.refuse(write, attempt: 1, .unknownSeries).encoded == [2, 1, 3] + id + [1, 2])
    #expect(WriteMessage.refuse(write, attempt: 1, .notReplica).encoded == [2, 1, 3] + id + [1, 3])
    #expect(WriteMessage.refuse(write, attempt: 1, .forGood(.outOfWindow)).encoded == [2, 1, 3] + id + [1, 4, 3])
  }

  @Test(
    "that lie about counts, lengths and slots are refused before anything is reserved for them",
    arguments: [
      [0], [1, 0, 0], [1, 0, 5, 1, 1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 1, 2, 1], [1, 0, 1, 1, 1, 1],
      [0xff, 0xff, 0xff, 0xff, 0x0f], [1, 0x80, 0x80, 0x04, 1, 1, 1], [2, 0xff, 0xff, 0x03, 0, 1, 1, 1],
      [2, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 1, 1],
      [1, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1],
    ] as [[UInt8]])
  func lies(rest: [UInt8]) {
    #expect(throws: MalformedBytes.self) { try WriteMessage(decoding: head + rest) }
  }

  @Test("of another kind, version or type are refused")
  func foreign() throws {
    let rest = Array(head.dropFirst(3)) + [1, 0, 1, 1, 9]
    #expect(throws: Never.self) { try WriteMessage(decoding: [2, 1, 1] + rest) }
    for start in [[1, 1, 1], [2, 0, 1], [2, 2, 1], [2, 1, 0], [2, 1, 4]] as [[UInt8]] {
      #expect(throws: MalformedBytes.self) { try WriteMessage(decoding: start + rest) }
    }
  }

  @Test("with rows are only made of slots that ascend and of frames that can be")
  func onlyWhole() {
    let write = WriteID(Hash128(high: 1, low: 2))
    #expect(WriteAppend(write, attempt: 1, epoch: 0, slots: [], frames: [[1]]) == nil)
    #expect(WriteAppend(write, attempt: 1, epoch: 0, slots: [3, 3], frames: [[1]]) == nil)
    #expect(WriteAppend(write, attempt: 1, epoch: 0, slots: [4, 3], frames: [[1]]) == nil)
    #expect(WriteAppend(write, attempt: 1, epoch: 0, slots: [3], frames: []) == nil)
    #expect(WriteAppend(write, attempt: 1, epoch: 0, slots: [3], frames: [[]]) == nil)
    #expect(WriteAppend(write, attempt: 1, epoch: 0, slots: [3], frames: [[1], [1], [1], [1], [1]]) == nil)
    #expect(WriteAppend(write, attempt: 1, epoch: 0, slots: [3, .max], frames: [[1], [1], [1], [1]]) != nil)
  }

  @Test("of refusal say what they mean for the write")
  func meaning() {
    #expect(WriteRefusal.overloaded(retryAfterMilliseconds: 7).failure == .overloaded(retryAfterMilliseconds: 7))
    #expect(WriteRefusal.unknownSeries.failure == .unknownSeries && WriteRefusal.notReplica.failure == .notReplica)
    #expect(WriteRefusal.Reason.allCases.allSatisfy { WriteRefusal.forGood($0).failure == .refused })
  }
}
