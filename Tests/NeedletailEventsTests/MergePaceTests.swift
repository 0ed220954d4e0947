import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Merging at a pace") struct MergePaceTests {
  /// A machine with eight parts of ten lines each.
  private func eightParts() async throws -> EventMachine {
    let machine = try EventMachine(options: EventEngineOptions(retentionNanoseconds: day))
    for part in 0..<8 {
      let records = (0..<10).map { index in
        (EventStream(), LogRecord(timeNanoseconds: now - Int64(part * 10 + index), body: .string("\(part) \(index)")))
      }
      _ = try await machine.logs.append(try makeBatch(records, id: UInt64(part)))
      try machine.flush()
    }
    return machine
  }

  private func count(_ logs: EventEngine) throws -> Int {
    try logs.selectLogs(EventQuery(tenant: .default, range: .all)).all().count
  }

  @Test("pauses hold up no query, flush or retention")
  func holdsNobodyUp() async throws {
    let machine = try await eightParts()
    let (logs, journal, clock) = (machine.logs, machine.journal, machine.clock)
    let fresh = [(EventStream(), LogRecord(timeNanoseconds: now + 1, body: .string("newest")))]
    _ = try await logs.append(try makeBatch(fresh, id: 99))
    let isDone = Lock(false)
    let pace = PacedWork(WorkLimits(bytesPerSecond: 1000), clock: clock) { slice in
      clock.advance(nanoseconds: slice)
      let isFirst = isDone.withLock { isDone in
        defer { isDone = true }
        return !isDone
      }
      guard isFirst else { return }
      // On the thread of the merge, in the middle of a pause: a lock that it holds would never be given to these.
      do {
        #expect(try count(logs) == 81)
        _ = try journal.flush()
        #expect(try logs.enforceRetention(now: now) == 0)
        #expect(logs.statistics.parts == 9)
      } catch {
        Issue.record(error)
      }
    }
    #expect(try logs.mergeParts(at: pace) == 7)
    #expect(isDone.withLock { $0 } && pace.statistics.pausedNanoseconds > 0)
    #expect(try count(logs) == 81)
  }

  @Test("a stop in the middle of a pause ends the merge and leaves its parts as they were")
  func stops() async throws {
    let machine = try await eightParts()
    let logs = machine.logs
    // The clock stands still: the pause would never end.
    let pace = PacedWork(WorkLimits(bytesPerSecond: 100), clock: machine.clock) { _ in
      withUnsafeCurrentTask { $0?.cancel() }
    }
    let error = await #expect(throws: EventEngineError.self) {
      try await Task { _ = try logs.mergeParts(at: pace) }.value
    }
    guard case .cancelled = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(logs.statistics.parts == 8)
    let listed = try machine.catalog.list(.logs).map(\.id.folderName)
    #expect(try machine.disk.list(machine.folder.parts.path).map(\.name).sorted() == listed.sorted())
    #expect(try logs.mergeParts() == 7)
  }
}
