import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import Testing

/// Power cuts, full disks and failing calls at every single call of a workload.
@Suite struct JournalCrashTests {
  /// Runs `steps` random appends, commits and flushes until something stays refused.
  private func work(_ machine: Machine, _ history: inout History, steps: Int, _ random: inout SeededGenerator) {
    for _ in 0..<steps {
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<6: _ = history.append(to: machine)
      case 6..<9: machine.journal.commitPending()
      default: _ = try? machine.journal.flush()
      }
      history.settle(machine)
    }
    machine.journal.commitPending()
    history.settle(machine)
  }

  private func runCrash(seed: UInt64, at call: Int, _ survival: CrashSurvival, durability: Durability) throws -> Bool {
    var random = SeededGenerator(seed: seed)
    var history = History()
    let catalog = MemoryCatalog()
    let disk = FaultyFileSystem(seed: seed &* 31 &+ UInt64(call))
    disk.powerOff(atCall: call)
    if let machine = try? Machine(disk, catalog, durability: durability) {
      work(machine, &history, steps: 40, &random)
      if durability != .fsync && survival != .everything { history.acknowledged = [] }
    }
    let reached = disk.callCount > call
    var survivor = disk.crash(survival)
    for life in 0..<2 {
      history.crash()
      let machine = try Machine(survivor, catalog, durability: durability)
      let verdict = history.judge(machine)
      #expect(verdict == nil, "seed \(seed), call \(call), \(survival), life \(life)")
      if verdict != nil { return false }
      // A torn group with whole records behind the tear is replayed, and its gap reported: it may have been rot.
      let isQuiet = machine.report.damages.isEmpty || survival == .torn
      #expect(isQuiet, "seed \(seed), call \(call), \(survival), life \(life)")
      work(machine, &history, steps: 8, &random)
      if durability != .fsync { history.acknowledged = [] }
      survivor = survivor.crash(.syncedOnly)
    }
    let last = try Machine(survivor, catalog, durability: durability)
    #expect(history.judge(last) == nil, "seed \(seed), call \(call), \(survival), last life")
    return reached
  }

  @Test("A power cut at any call loses nothing acknowledged, doubles nothing and invents nothing", arguments: 1...2)
  func powerCut(seed: Int) throws {
    for survival in CrashSurvival.allCases {
      var call = 0
      while try runCrash(seed: UInt64(seed), at: call, survival, durability: .fsync) { call += 1 }
      #expect(call > 40, "the workload ended after \(call) calls")
    }
  }

  @Test("With interval durability a killed process loses nothing acknowledged")
  func killedWithInterval() throws {
    var call = 0
    while try runCrash(seed: 9, at: call, .everything, durability: .interval(seconds: 1)) { call += 1 }
    #expect(call > 30)
  }

  @Test(
    "What was appended before a sync that was asked for survives a power cut, whatever the durability",
    arguments: CrashSurvival.allCases)
  func syncThatIsAskedFor(_ survival: CrashSurvival) throws {
    var (call, isDone) = (0, false)
    while !isDone {
      var history = History()
      var kept: Set<UInt64> = []
      let catalog = MemoryCatalog()
      let disk = FaultyFileSystem(seed: UInt64(call))
      disk.powerOff(atCall: call)
      if let machine = try? Machine(disk, catalog, durability: .interval(seconds: 3_600)) {
        for round in 0..<6 {
          for _ in 0..<3 { _ = history.append(to: machine) }
          // Written and not synced, or in a part, or in memory alone.
          if round % 2 == 0 { machine.journal.commitPending() }
          if round == 3 { _ = try? machine.journal.flush() }
          _ = history.append(to: machine)
          let sent = history.sent
          do { try machine.journal.sync() } catch { break }
          kept = sent
          isDone = round == 5
        }
      }
      history.acknowledged = kept
      let reopened = try Machine(disk.crash(survival), catalog)
      #expect(history.judge(reopened) == nil, "call \(call), \(survival)")
      call += 1
    }
    #expect(call > 10)
  }

  @Test("A failing write, sync or folder sync at any place never turns into a false acknowledgement", arguments: 1...2)
  func failingCalls(seed: Int) throws {
    for operation in [FileError.Operation.sync, .write, .syncDirectory, .open] {
      for times in [1, 3] {
        for skip in 0..<40 {
          let survival = CrashSurvival.allCases[skip % 4]
          var random = SeededGenerator(seed: UInt64(seed))
          var history = History()
          let catalog = MemoryCatalog()
          let disk = FaultyFileSystem(seed: UInt64(seed * 1000 + skip))
          let machine = try Machine(disk, catalog)
          disk.fail(operation, skip: skip, times: times, number: 5)
          work(machine, &history, steps: 40, &random)
          // The failures are over: whatever was refused, the journal must come back by itself.
          disk.stopFailing()
          _ = history.append(to: machine)
          machine.journal.commitPending()
          #expect(history.append(to: machine) == nil, "\(operation) \(skip): still refused")
          machine.journal.commitPending()
          history.settle(machine)
          #expect(history.acknowledged.contains(history.next - 1))
          let reopened = try Machine(disk.crash(survival), catalog)
          #expect(history.judge(reopened) == nil, "seed \(seed), \(operation) \(skip) x\(times), \(survival)")
          let isQuiet = reopened.report.damages.isEmpty || survival == .torn
          #expect(isQuiet, "seed \(seed), \(operation) \(skip) x\(times), \(survival)")
        }
      }
    }
  }

  @Test("A disk that fills up at any byte refuses loudly, keeps what it acknowledged, and goes on when there is space")
  func fullDisk() throws {
    for capacity in stride(from: 100, to: 24_000, by: 173) {
      var random = SeededGenerator(seed: 3)
      var history = History()
      let catalog = MemoryCatalog()
      let disk = FaultyFileSystem(seed: UInt64(capacity))
      let machine = try Machine(disk, catalog)
      disk.setCapacity(capacity)
      work(machine, &history, steps: 60, &random)
      disk.setCapacity(nil)
      _ = history.append(to: machine)
      machine.journal.commitPending()
      #expect(history.append(to: machine) == nil)
      machine.journal.commitPending()
      history.settle(machine)
      #expect(history.acknowledged.contains(history.next - 1), "capacity \(capacity)")
      let reopened = try Machine(disk.crash(.torn), catalog)
      #expect(history.judge(reopened) == nil, "capacity \(capacity)")
    }
  }

  @Test("A commit whose answer is lost, or that fails, leaves the old or the new state and the next flush mends it")
  func failingCatalog() throws {
    for failure in [MemoryCatalog.Failure.before, .after] {
      var history = History()
      let catalog = MemoryCatalog()
      let disk = FaultyFileSystem(seed: 1)
      let machine = try Machine(disk, catalog)
      for _ in 0..<5 { _ = history.append(to: machine) }
      machine.journal.commitPending()
      history.settle(machine)
      catalog.failNextCommit(failure)
      if failure == .before {
        #expect(throws: CatalogError.self) { try machine.journal.flush() }
      } else {
        #expect(try machine.journal.flush().parts.count == 1)
      }
      #expect(history.judge(machine) == nil)
      for _ in 0..<3 { _ = history.append(to: machine) }
      _ = try machine.journal.flush()
      history.settle(machine)
      #expect(history.judge(machine) == nil)
      #expect(history.acknowledged.count == 8)
      let reopened = try Machine(disk.crash(.syncedOnly), catalog)
      #expect(history.judge(reopened) == nil)
      #expect(reopened.report.records == 0)
    }
  }

  @Test("A part that cannot be published after the commit is published by the next flush")
  func failingPublish() throws {
    var history = History()
    let disk = FaultyFileSystem(seed: 1)
    let machine = try Machine(disk, MemoryCatalog())
    for _ in 0..<5 { _ = history.append(to: machine) }
    machine.engine.state.withLock { $0.failsToPublish = true }
    #expect(throws: TestEngine.PublishFailure.self) { try machine.journal.flush() }
    #expect(machine.engine.all == [1, 2, 3, 4, 5])
    _ = history.append(to: machine)
    _ = try machine.journal.flush()
    #expect(machine.engine.all == [1, 2, 3, 4, 5, 6])
    #expect(machine.engine.state.withLock { $0.parts.count } == 2)
  }
}
