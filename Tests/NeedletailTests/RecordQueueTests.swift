import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTestSupport
import Testing

@testable import Needletail

@Suite("RecordQueue")
struct RecordQueueTests {
  private func queue(records: Int, bytes: Int = 1 << 20, batch: Int = 4) -> RecordQueue {
    var signal = Needletail.Configuration.Signal(endpoint: "", interval: .seconds(1))
    signal.queueLimit = records
    signal.queueByteLimit = bytes
    signal.batchLimit = batch
    return RecordQueue(signal)
  }

  @Test("Records come out in order, in batches that are not larger than asked")
  func order() throws {
    let queue = queue(records: 100)
    for value in UInt8(0)..<10 { queue.append([value]) }
    var taken: [[WireTree.Value]] = []
    while let batch = queue.take() {
      taken.append(try WireTree(batch.bytes)[2])
      queue.finish(batch)
    }
    #expect(taken.map(\.count) == [4, 4, 2])
    #expect(taken.flatMap { $0 } == (UInt8(0)..<10).map { .bytes([$0]) })
  }

  @Test("A batch on its way takes up room until it is finished")
  func inFlight() throws {
    let queue = queue(records: 4)
    for _ in 0..<4 { queue.append([1]) }
    let batch = try #require(queue.take())
    queue.append([2])
    #expect(queue.counts == .init(accepted: 4, dropped: 1))
    queue.finish(batch)
    queue.append([3])
    #expect(queue.counts == .init(accepted: 5, dropped: 1))
  }

  @Test("A restored batch comes first again")
  func restore() throws {
    let queue = queue(records: 10, batch: 2)
    for value in UInt8(0)..<4 { queue.append([value]) }
    let batch = try #require(queue.take())
    queue.restore(batch)
    #expect(try queue.take().map { try WireTree($0.bytes)[2] } == [.bytes([0]), .bytes([1])])
  }

  @Test("Bytes are limited as records are")
  func bytes() {
    let queue = queue(records: 100, bytes: 1_000)
    queue.append([UInt8](repeating: 0, count: 2_000))
    queue.append([UInt8](repeating: 0, count: 900))
    queue.append([UInt8](repeating: 0, count: 200))
    #expect(queue.counts == .init(accepted: 1, dropped: 2))
  }

  @Test(
    "Whatever is appended, taken, finished and restored, accepted records are neither lost nor doubled",
    arguments: UInt64(1)...30)
  func randomWalk(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let queue = queue(records: 16, batch: 3)
    var inFlight: [RecordBatch] = []
    var seen: [UInt64] = []
    var next: UInt64 = 0
    for _ in 0..<2_000 {
      switch random.next() % 4 {
      case 0, 1:
        let before = queue.counts.accepted
        queue.append((0..<8).map { UInt8(truncatingIfNeeded: next >> UInt64(8 * $0)) })
        if queue.counts.accepted > before { next += 1 }
      case 2: if inFlight.isEmpty, let batch = queue.take() { inFlight.append(batch) }
      default:
        guard let batch = inFlight.popLast() else { continue }
        if random.next() % 2 == 0 {
          queue.restore(batch)
        } else {
          seen += try numbers(batch)
          queue.finish(batch)
        }
      }
    }
    for batch in inFlight { seen += try numbers(batch) }
    while let batch = queue.take() { seen += try numbers(batch) }
    #expect(seen == Array(0..<next), "seed \(seed)")
  }

  private func numbers(_ batch: RecordBatch) throws -> [UInt64] {
    try WireTree(batch.bytes)[2].map { value in
      guard case .bytes(let bytes) = value else { return .max }
      return bytes.enumerated().reduce(0) { $0 | UInt64($1.element) << UInt64(8 * $1.offset) }
    }
  }
}
