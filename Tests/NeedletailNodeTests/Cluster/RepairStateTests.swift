import NeedletailCluster
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("The file of what is whole") struct RepairStateTests {
  private static let identity = NodeIdentity(Hash128(high: 1, low: 2))

  private static func state(_ seed: UInt64) -> RepairState {
    var generator = SeededGenerator(seed: seed)
    var state = RepairState()
    (state.epoch, state.settled) = (generator.next() >> 32, generator.next() >> 33)
    if seed % 3 > 0 { state.cursor = AntiEntropy.Cursor(slot: UInt16(seed % 1000), partner: NodeID("node-\(seed)")) }
    _ = state.noteLosses((0..<seed % 4).map { "record \($0 &* seed) is lost" })
    if seed % 2 > 0 { state.owed = OwedLoss(epoch: generator.next(), losses: UInt32(seed)) }
    for slot in 0..<UInt16(seed % 40) {
      let first = Int64.random(in: -5...500, using: &generator)
      let lacks: [[ClosedRange<Int64>]] = [
        [], [.min ... .max], [first...first], [first...first, (first + 9)...(first + 20)],
      ]
      state.records[slot &* 7] = ReplicaReadiness.Record(
        since: generator.next(), lacks: lacks[Int.random(in: 0..<4, using: &generator)])
    }
    return state
  }

  @Test("What was written is read, by the disk that it is of alone, and nothing that was not written")
  func bytes() {
    for seed in 0..<200 as Range<UInt64> {
      let state = Self.state(seed)
      let bytes = state.encoded(Self.identity)
      #expect(RepairState(bytes, of: Self.identity) == state, "seed \(seed)")
      #expect(RepairState(bytes, of: NodeIdentity(Hash128(high: 2, low: 1))) == nil)
      for length in bytes.indices where RepairState(Array(bytes[..<length]), of: Self.identity) != nil {
        Issue.record("seed \(seed): \(length) bytes of \(bytes.count) are taken")
      }
      var generator = SeededGenerator(seed: seed)
      for _ in 0..<20 {
        var changed = bytes
        changed[Int.random(in: 0..<bytes.count, using: &generator)] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        if RepairState(changed, of: Self.identity) != nil { Issue.record("seed \(seed): a changed bit is taken") }
      }
    }
  }

  private static func makeDisk() throws -> FaultyFileSystem {
    let disk = FaultyFileSystem(seed: 3)
    try disk.createDirectory("/data")
    try disk.syncDirectory("/")
    return disk
  }

  @Test(
    "After a power cut at any call there is the old state or the new one, and what was said to be kept is",
    arguments: CrashSurvival.allCases)
  func crash(_ survival: CrashSurvival) throws {
    let states = [Self.state(31), Self.state(32)]
    var call = 0
    while true {
      let disk = try Self.makeDisk()
      let file = RepairStateFile(folder: "/data", fileSystem: disk, identity: Self.identity)
      let start = disk.callCount
      disk.powerOff(atCall: start + call)
      var kept: RepairState?
      var tried: RepairState?
      for state in states {
        tried = state
        do throws(FileError) {
          try file.store(state)
          kept = state
        } catch { break }
      }
      let isDone = kept == states[1]
      let after = RepairStateFile(folder: "/data", fileSystem: disk.crash(survival), identity: Self.identity)
      let found = after.load()
      #expect(found.state == kept ?? RepairState() || found.state == tried, "call \(call)")
      #expect(found.isNew == (found.state == RepairState()))
      // It can be written again, whatever was left.
      try after.store(states[0])
      #expect(after.load().state == states[0])
      if isDone { break }
      call += 1
    }
    #expect(call > 10)
  }

  @Test("A full disk keeps the old state, and the next try goes on")
  func full() throws {
    let disk = try Self.makeDisk()
    let file = RepairStateFile(folder: "/data", fileSystem: disk, identity: Self.identity)
    try file.store(Self.state(5))
    disk.setCapacity(disk.usedBytes + 20)
    #expect(throws: FileError.self) { try file.store(Self.state(38)) }
    #expect(file.load().state == Self.state(5))
    disk.setCapacity(nil)
    try file.store(Self.state(38))
    #expect(file.load().state == Self.state(38))
  }

  @Test("The windows that are compared begin with the first whole hour that is kept, and end before what is written to")
  func windows() {
    let hour: Int64 = 3_600_000_000_000
    let windows = RepairWindows(retention: 48 * hour, settleAfter: hour / 4)
    // 100 hours since 1970: kept are those from hour 52 on.
    #expect(windows.first(at: 100 * hour) == 52 && windows.first(at: 100 * hour + 1) == 53)
    #expect(windows.last(at: 100 * hour) == 98 && windows.last(at: 100 * hour + hour / 4) == 99)
    #expect(RepairWindows(retention: nil, settleAfter: 0).first(at: 5) == .min)
    #expect(windows.first(at: 10 * hour) == -38 && windows.first(at: 10 * hour - 1) == -38)
  }
}
