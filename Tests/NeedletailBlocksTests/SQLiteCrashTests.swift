import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

@testable import NeedletailBlocks

/// Power cuts, full disks and failing calls with the real SQLite on the simulated disk.
@Suite struct SQLiteCrashTests {
  /// What a machine did: what it was given, what it acknowledged, and what it deleted for good.
  private struct Work {
    var history = History()
    var deleted: Set<[UInt8]> = []
    var tried: Set<[UInt8]> = []

    /// Appends, flushes and deletes, as far as the disk lets it.
    mutating func run(_ machine: Machine, rounds: Int) {
      for round in 0..<rounds {
        for _ in 0..<3 { _ = history.append(to: machine) }
        machine.journal.commitPending()
        history.settle(machine)
        _ = try? machine.journal.flush()
        history.settle(machine)
        delete([UInt8(tried.count), UInt8(round)], on: machine)
      }
    }

    private mutating func delete(_ content: [UInt8], on machine: Machine) {
      guard let part = (try? machine.folder.catalog.list(.series))?.first else { return }
      tried.insert(content)
      do {
        try machine.folder.parts.commit(
          to: machine.folder.catalog, tombstones: [PartTombstone(part: part.id, content: content)])
        deleted.insert(content)
      } catch {}
    }

    /// What is wrong with what a machine has; nil when nothing is.
    func judge(_ machine: Machine) throws -> String? {
      if let verdict = history.judge(machine) { return verdict }
      let found = Set(try machine.folder.catalog.tombstones().map(\.content))
      if !deleted.isSubset(of: found) { return "deletions are gone: \(deleted.subtracting(found))" }
      if !found.isSubset(of: tried) { return "deletions that nobody made: \(found.subtracting(tried))" }
      return nil
    }
  }

  /// Returns whether the cut met the work.
  private func runCut(at call: Int, _ survival: CrashSurvival) throws -> Bool {
    var work = Work()
    let disk = FaultyFileSystem(seed: UInt64(call))
    disk.powerOff(atCall: call)
    if let machine = try? Machine(disk, nil) { work.run(machine, rounds: 3) }
    let reached = disk.callCount > call
    var survivor = disk.crash(survival)
    for life in 0..<2 {
      work.history.crash()
      let machine = try Machine(survivor, nil)
      #expect(try work.judge(machine) == nil, "call \(call), \(survival), life \(life)")
      // SQLite itself kept what it had promised: the mirror was not needed.
      #expect(machine.folder.remark?.contains("catalog.") != true, "call \(call), \(survival), life \(life)")
      work.run(machine, rounds: 1)
      survivor = survivor.crash(.syncedOnly)
    }
    return reached
  }

  @Test(
    "Wherever the power is cut, SQLite keeps what was committed, and the folder what was acknowledged and deleted",
    arguments: CrashSurvival.allCases)
  func powerCut(survival: CrashSurvival) async throws {
    var call = 0
    while try runCut(at: call, survival) {
      // What is synced alone, and what is torn, is what may go wrong; of the others every third place will do.
      call += survival == .syncedOnly || survival == .torn ? 1 : 3
      // Other tests wait for this thread.
      await Task.yield()
    }
    #expect(call > 200, "the workload ended after \(call) calls")
  }

  @Test(
    "A disk that fills up at any byte costs nothing, in SQLite or beside it, and the work goes on when there is space")
  func fullDisk() async throws {
    let whole = FaultyFileSystem(seed: 1)
    do {
      let machine = try Machine(whole, nil)
      var work = Work()
      work.run(machine, rounds: 4)
    }
    let first = FaultyFileSystem(seed: 1)
    _ = try Machine(first, nil)
    var isEverRefused = false
    for capacity in stride(from: first.usedBytes, to: whole.usedBytes + 20_000, by: 397) {
      await Task.yield()
      var work = Work()
      let disk = FaultyFileSystem(seed: UInt64(capacity))
      do {
        let machine = try Machine(disk, nil)
        disk.setCapacity(capacity)
        work.run(machine, rounds: 4)
        isEverRefused = isEverRefused || work.deleted != work.tried
        disk.setCapacity(nil)
        work.run(machine, rounds: 2)
        #expect(work.deleted.count >= 2 && work.history.acknowledged.count >= 6, "capacity \(capacity)")
        #expect(try work.judge(machine) == nil, "capacity \(capacity)")
      }
      let reopened = try Machine(disk.crash(.torn), nil)
      #expect(try work.judge(reopened) == nil, "capacity \(capacity)")
      #expect(reopened.folder.remark?.contains("catalog.") != true, "capacity \(capacity)")
    }
    #expect(isEverRefused)
  }

  @Test(
    "A call that fails at any place is no false acknowledgement, and the work goes on by itself",
    arguments: [FileError.Operation.write, .sync, .syncDirectory, .open, .truncate, .read, .rename])
  func failingCalls(operation: FileError.Operation) async throws {
    for times in [1, 4] {
      for skip in 0..<60 {
        await Task.yield()
        var work = Work()
        let disk = FaultyFileSystem(seed: UInt64(skip))
        do {
          let machine = try Machine(disk, nil)
          disk.fail(operation, skip: skip, times: times, number: 5)
          work.run(machine, rounds: 3)
          disk.stopFailing()
          work.run(machine, rounds: 2)
          #expect(work.deleted.count >= 2, "\(operation) \(skip) x\(times)")
          #expect(try work.judge(machine) == nil, "\(operation) \(skip) x\(times)")
        }
        let reopened = try Machine(disk.crash(CrashSurvival.allCases[skip % 4]), nil)
        #expect(try work.judge(reopened) == nil, "\(operation) \(skip) x\(times)")
      }
    }
  }
}
