import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Events beside each other")
struct EventConcurrencyTests {
  /// A number that tasks share.
  private final class Counter: Sendable {
    let value = Lock(0)
  }

  @Test("Queries that run while others append and flush see every acknowledged event once")
  func concurrency() async throws {
    let machine = try EventMachine()
    let acknowledged = Counter()
    let engine = machine.logs
    let journal = machine.journal
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<3 {
        group.addTask {
          for step in 0..<20 {
            let start = (writer * 20 + step) * 10
            let records = (start..<(start + 10)).map { index in
              (EventStream(), LogRecord(timeNanoseconds: now - Int64(index % 7), body: .int(Int64(index))))
            }
            _ = try await engine.append(try makeBatch(records, id: UInt64(start)))
            acknowledged.value.withLock { $0 += 10 }
          }
        }
      }
      group.addTask { for _ in 0..<10 { _ = try journal.flush(); await Task.yield() } }
      group.addTask {
        for _ in 0..<40 {
          let before = acknowledged.value.withLock { $0 }
          let hits = try engine.selectLogs(EventQuery(tenant: .default)).all().map(\.record)
          #expect(hits.count >= before)
          #expect(Set(hits).count == hits.count)
          await Task.yield()
        }
      }
      try await group.waitForAll()
    }
    #expect(try engine.selectLogs(EventQuery(tenant: .default)).all().count == 600)
  }
}
