import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTestSupport
import Testing

@Suite("The pace of work in the background")
struct WorkPaceTests {
  /// Does pieces of work one after the other, pausing as long as it is told and at times longer; checks after each.
  private func run(
    _ limits: WorkLimits, seed: UInt64, pieces: Int,
    _ check: (_ bytes: Double, _ busy: Double, _ elapsed: Double) -> Void
  ) -> Double {
    var generator = TelemetryGenerator(seed: seed)
    var pace = WorkPace(limits)
    var (bytes, busy, idle) = (0.0, 0.0, 0.0)
    for _ in 0..<pieces {
      let piece = generator.pick([0, 4096, 128 << 10, 1 << 20, generator.int(0...(8 << 20))])
      let took = Int64(generator.pick([0, 10_000, 1_000_000, generator.int(0...50_000_000)]))
      bytes += Double(piece)
      busy += Double(took)
      var pause = pace.worked(bytes: piece, nanoseconds: took)
      #expect(pause >= 0)
      if generator.oneIn(20) { pause += Int64(generator.int(0...5_000_000)) }
      if pause > 0 {
        pace.paused(nanoseconds: pause)
        idle += Double(pause)
      }
      check(bytes, busy, busy + idle)
    }
    return idle
  }

  @Test("never reads and writes more than its rate, but for a tenth of a second's worth, and wastes none of it")
  func rate() {
    for seed in UInt64(1)...20 {
      let rate = 64.0 * 1_048_576
      var last = (bytes: 0.0, elapsed: 0.0)
      _ = run(WorkLimits(bytesPerSecond: UInt64(rate)), seed: seed, pieces: 2000) { bytes, _, elapsed in
        // Of the share of a pause that is too short to be taken, two milliseconds.
        #expect(bytes <= rate * (elapsed / 1e9 + 0.1021), "seed \(seed)")
        last = (bytes, elapsed)
      }
      #expect(last.bytes >= rate * last.elapsed / 1e9 * 0.75, "seed \(seed): it is held up for no more than it must be")
    }
  }

  @Test("is busy for no more than its share of the time", arguments: [1, 10, 50, 99])
  func share(percent: Int) {
    for seed in UInt64(1)...5 {
      _ = run(WorkLimits(busyPercent: percent), seed: seed, pieces: 2000) { _, busy, elapsed in
        // What is owed and too short to be taken, two milliseconds, and the last stretch of work.
        #expect(busy <= (elapsed + 2e6) * Double(percent) / 100 + 1, "seed \(seed)")
      }
    }
  }

  @Test("holds nothing up where nothing is limited, or where work is slower than its limit")
  func unlimited() {
    #expect(run(WorkLimits(), seed: 1, pieces: 1000) { _, _, _ in } >= 0)
    var free = WorkPace(WorkLimits())
    var slow = WorkPace(WorkLimits(bytesPerSecond: 1 << 20))
    for _ in 0..<1000 {
      #expect(free.worked(bytes: 1 << 30, nanoseconds: 1) == 0)
      #expect(slow.worked(bytes: 1 << 20, nanoseconds: 1_000_000_000) == 0)
    }
  }

  @Test("makes nothing of numbers that cannot be")
  func extremes() {
    var pace = WorkPace(WorkLimits(bytesPerSecond: 0, busyPercent: 0))
    #expect(pace.worked(bytes: .max, nanoseconds: .max) == 3_600_000_000_000)
    pace.paused(nanoseconds: .min)
    pace.paused(nanoseconds: .max)
    #expect(pace.worked(bytes: .min, nanoseconds: .min) >= 0)
  }
}

@Suite("Work that keeps to a pace")
struct PacedWorkTests {
  private let clock = ManualClock()

  @Test("waits in slices for as long as it must, and counts bytes and pauses")
  func waits() {
    let clock = clock
    let slices = Lock<[Int64]>([])
    let work = PacedWork(WorkLimits(bytesPerSecond: 1_000_000), clock: clock) { slice in
      slices.withLock { $0.append(slice) }
      clock.advance(nanoseconds: slice)
    }
    work.did(bytes: 50_000)
    #expect(slices.withLock { $0 } == [20_000_000, 20_000_000, 10_000_000])
    #expect(work.statistics.bytes == 50_000 && work.statistics.pausedNanoseconds == 50_000_000)
    work.did(bytes: 1)
    #expect(slices.withLock { $0.count } == 3, "a pause this short is saved up")
  }

  @Test("counts the time between one work and the next as none")
  func rests() {
    let clock = clock
    let pauses = Lock<Int64>(0)
    let work = PacedWork(WorkLimits(busyPercent: 50), clock: clock) { slice in
      pauses.withLock { $0 += slice }
      clock.advance(nanoseconds: slice)
    }
    clock.advance(nanoseconds: 3_600_000_000_000)
    work.begin()
    work.did(bytes: 1)
    #expect(pauses.withLock { $0 } == 0)
    clock.advance(nanoseconds: 100_000_000)
    work.did(bytes: 1)
    #expect(pauses.withLock { $0 } == 100_000_000)
  }

  @Test("a hurry ends a pause, there is none until all have taken it back, and nothing is owed for it")
  func hurries() {
    let clock = clock
    let count = Lock(0)
    let holder = Lock<PacedWork?>(nil)
    let work = PacedWork(WorkLimits(bytesPerSecond: 1_000_000), clock: clock) { _ in
      count.withLock { $0 += 1 }
      holder.withLock { $0 }?.hurry()
    }
    holder.withLock { $0 = work }
    // The clock stands still: only the hurry can end the pause.
    work.did(bytes: 1_000_000)
    #expect(count.withLock { $0 } == 1)
    work.hurry()
    work.relax()
    work.did(bytes: 1 << 30)
    #expect(count.withLock { $0 } == 1)
    work.relax()
    clock.advance(nanoseconds: 1_000_000_000)
    work.begin()
    work.did(bytes: 1000)
    #expect(count.withLock { $0 } == 1)
    holder.withLock { $0 = nil }
  }

  @Test("a pause ends when the task is cancelled")
  func isCancelled() async {
    let count = Lock(0)
    let work = PacedWork(WorkLimits(bytesPerSecond: 1), clock: clock) { _ in
      count.withLock { $0 += 1 }
      withUnsafeCurrentTask { $0?.cancel() }
    }
    await Task { work.did(bytes: 1 << 20) }.value
    #expect(count.withLock { $0 } == 1)
  }

  @Test("what a paced writer wrote is brought to disk on the way, not all at its end")
  func syncs() throws {
    let disk = FaultyFileSystem(seed: 1)
    let (clock, limits) = (clock, WorkLimits(bytesPerSecond: 1 << 30))
    let pace = PacedWork(limits, clock: clock) { clock.advance(nanoseconds: $0) }
    func write(_ path: String, _ pace: PacedWork?) throws {
      let writer = try BlockWriter(creating: path, on: disk, pace: pace)
      let block = [UInt8](repeating: 7, count: 1 << 20)
      for _ in 0..<20 { _ = try writer.append(block, kind: 1, codec: .raw) }
    }
    try write("/paced", pace)
    try write("/free", nil)
    let syncs = disk.calls.filter { $0.operation == .sync }.map(\.path)
    #expect(syncs == ["/paced", "/paced"])
    #expect(pace.statistics.bytes >= 20 << 20)
  }
}
