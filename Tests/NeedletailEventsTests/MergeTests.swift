import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

@Suite("Merging") struct MergeTests {
  /// Flushes so many parts of ten lines each on the day of `time`; no two lines are the same.
  private func makeParts(_ count: Int, on machine: EventMachine, at time: Int64 = now) async throws {
    for part in 0..<count {
      let records = (0..<10).map { index in
        let line = "line \(part) \(index) \(time)"
        return (
          EventStream(resource: [Attribute("service.name", .string("s\(index % 3)"))]),
          LogRecord(timeNanoseconds: time - Int64(part * 10 + index), body: .string(line))
        )
      }
      _ = try await machine.logs.append(try makeBatch(records, id: UInt64(part)))
      try machine.flush()
    }
  }

  private func bodies(_ machine: EventMachine, range: EventTimeRange = .all) throws -> [String] {
    try machine.logs.selectLogs(EventQuery(tenant: .default, range: range)).all().map(\.record.body.text)
  }

  /// What a query tells, what the parts hold, and that no folder is there but theirs.
  private func check(_ machine: EventMachine, holds expected: [String]) throws {
    #expect(try bodies(machine) == expected)
    #expect(machine.logs.statistics.partRows == UInt64(expected.count), "a query would not show copies")
    let listed = try machine.catalog.list(.logs).map(\.id.folderName)
    #expect(try machine.disk.list(machine.folder.parts.path).map(\.name).sorted() == listed.sorted())
  }

  @Test(
    "A power cut at any call of a merge loses nothing and doubles nothing, and the next merge ends it",
    arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) async throws {
    let origin = try EventMachine()
    try await makeParts(9, on: origin)
    let expected = try bodies(origin)
    origin.journal.close()
    origin.folder.close()
    var call = 0
    var isCut = true
    while isCut {
      var machine = try EventMachine(origin.disk.copy(seed: UInt64(call)), origin.catalog.copy())
      machine.disk.powerOff(atCall: machine.disk.callCount + call)
      _ = try? machine.logs.mergeParts()
      isCut = (try? machine.disk.freeBytes("/data")) == nil
      machine = try machine.crashed(survival)
      try check(machine, holds: expected)
      _ = try machine.logs.mergeParts()
      #expect(machine.logs.statistics.parts == 2)
      try check(machine, holds: expected)
      call += 1
    }
    #expect(call > 20, "the cuts went through the whole merge")
  }

  @Test("A merge whose commit failed, and which comes back with the power, is whole")
  func commitComesBack() async throws {
    var machine = try EventMachine()
    try await makeParts(8, on: machine)
    let expected = try bodies(machine)
    machine.catalog.failNextCommit(.comesBack)
    #expect(throws: EventEngineError.self) { try machine.logs.mergeParts() }
    #expect(machine.logs.statistics.parts == 8)
    machine.catalog.restart()
    machine = try machine.crashed(.syncedOnly)
    #expect(machine.logs.statistics.parts == 1)
    try check(machine, holds: expected)
  }

  @Test("In the middle of a merge a flush goes on, and retention leaves alone what is being merged")
  func neitherWaits() async throws {
    let disk = FaultyFileSystem(seed: 1)
    let watched = WatchedFileSystem(disk)
    let machine = try EventMachine(
      disk, MemoryCatalog(), options: EventEngineOptions(retentionNanoseconds: day), watched: watched)
    try await makeParts(8, on: machine)
    let later = now + 3 * day
    machine.clock.advance(nanoseconds: 3 * day)
    let newest = [(EventStream(), LogRecord(timeNanoseconds: later, body: .string("newest")))]
    _ = try await machine.logs.append(try makeBatch(newest))
    let dropped = Lock<Int?>(nil)
    let (logs, journal) = (machine.logs, machine.journal)
    watched.once(before: { $0.operation == .createDirectory }) {
      // On the thread of the merge: a lock that it holds would never be given to these.
      _ = try? journal.flush()
      let count = try? logs.enforceRetention(now: later)
      #expect((try? logs.mergeParts()) == 0, "another merge finds nothing left to take")
      dropped.withLock { $0 = count }
    }
    #expect(try logs.mergeParts() == 7)
    #expect(dropped.withLock { $0 } == 0)
    #expect(logs.statistics.headRows == 0 && logs.statistics.mergedParts == 8 && logs.statistics.parts == 2)
    #expect(try bodies(machine).count == 81)
    #expect(try logs.enforceRetention(now: later) == 1)
    try check(machine, holds: ["newest"])
  }

  @Test(
    "A merge that is cancelled ends before the next block and leaves everything as it was",
    arguments: [FileError.Operation.read, .createDirectory])
  func cancelled(at operation: FileError.Operation) async throws {
    let disk = FaultyFileSystem(seed: 1)
    let watched = WatchedFileSystem(disk)
    let machine = try EventMachine(disk, MemoryCatalog(), watched: watched)
    try await makeParts(8, on: machine)
    let expected = try bodies(machine)
    let logs = machine.logs
    let filesRead = Lock<Set<String>>([])
    watched.once(before: { $0.operation == operation }) {
      withUnsafeCurrentTask { $0?.cancel() }
      watched.watch { call in if call.operation == .read { filesRead.withLock { _ = $0.insert(call.path) } } }
    }
    let error = await #expect(throws: EventEngineError.self) {
      try await Task { _ = try logs.mergeParts() }.value
    }
    watched.watch(nil)
    guard case .cancelled = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(filesRead.withLock { $0.count } <= 1, "the block that was being read, of one part")
    #expect(logs.statistics.parts == 8 && logs.statistics.failedReads == 0)
    try check(machine, holds: expected)
    #expect(try logs.mergeParts() == 7)
    try check(machine, holds: expected)
  }

  @Test("A damaged part keeps only the parts of its own merge from being merged")
  func damaged() async throws {
    let machine = try EventMachine()
    let old = now - 5 * day
    try await makeParts(8, on: machine, at: old)
    try await makeParts(8, on: machine)
    let part = try required(try machine.catalog.list(.logs).min { $0.summary.minTime < $1.summary.minTime })
    machine.disk.flip(machine.folder.parts.path(of: part.id) + "/data", byte: 60, bit: 3)
    #expect(throws: EventEngineError.self) { try machine.logs.mergeParts() }
    #expect(machine.logs.statistics.parts == 16 && machine.logs.statistics.failedReads == 1)
    #expect(try machine.logs.mergeParts() == 7)
    #expect(try machine.logs.mergeParts() == 0)
    let recent = try required(EventTimeRange(startNanoseconds: now - hour, endNanoseconds: now))
    #expect(try bodies(machine, range: recent).count == 80)
    let folders = try machine.disk.list(machine.folder.parts.path).count
    #expect(folders == 9, "nothing is left of the merge that failed")
  }
}
