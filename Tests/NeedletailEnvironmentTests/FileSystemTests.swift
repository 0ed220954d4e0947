import NeedletailEnvironment
import NeedletailSimulation
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The real disk and the simulated one keep the same contract where nothing goes wrong.
@Suite struct FileSystemTests {
  private func withSystems(_ body: (any FileSystem, String) throws -> Void) throws {
    let simulated = FaultyFileSystem(seed: 1)
    try simulated.createDirectory("/root")
    try body(simulated, "/root")
    let real = PosixFileSystem()
    let path = "/tmp/needletail-files-\(SystemRandomSource().next())"
    try real.createDirectory(path)
    defer { try? real.removeTree(path) }
    try body(real, path)
  }

  private func code(_ body: () throws -> Void) -> FileError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? FileError)?.code
    }
  }

  @Test("Files are written, read, cut and listed alike")
  func contract() throws {
    try withSystems { system, root in
      let file = try system.open(root + "/b", .create)
      try file.write([1, 2, 3, 4], at: 2)
      try file.sync()
      #expect(try file.size() == 6)
      #expect(try system.readAll(root + "/b", maxBytes: 10) == [0, 0, 1, 2, 3, 4])
      #expect(code { _ = try system.readAll(root + "/b", maxBytes: 5) } == .other)
      try file.truncate(to: 3)
      #expect(try system.readAll(root + "/b", maxBytes: 10) == [0, 0, 1])
      file.close()
      #expect(throws: FileError.self) { try file.size() }
      try system.createDirectory(root + "/a")
      try system.createDirectory(root + "/a")
      try system.link(root + "/b", to: root + "/a/c")
      try system.rename(root + "/b", to: root + "/B")
      try system.syncDirectory(root)
      #expect(try system.list(root).map(\.name) == ["B", "a"])
      #expect(try system.list(root).map(\.kind) == [.file, .directory])
      #expect(try system.status(root + "/b") == nil)
      #expect(try system.status(root + "/a/c") == FileStatus(kind: .file, size: 3))
      #expect(code { try system.remove(root + "/a") } == .exists)
      #expect(code { _ = try system.open(root + "/B", .create) } == .exists)
      #expect(code { _ = try system.open(root + "/none", .read) } == .notFound)
      #expect(code { try system.createDirectory(root + "/none/below") } == .notFound)
      try system.removeTree(root + "/a")
      try system.removeTree(root + "/a")
      #expect(try system.list(root).map(\.name) == ["B"])
      #expect(try system.freeBytes(root) > 0)
    }
  }

  @Test("A folder that anyone but its owner may enter is told from one that is private")
  func modes() throws {
    let system = PosixFileSystem()
    let path = "/tmp/needletail-files-\(SystemRandomSource().next())"
    try system.createDirectory(path)
    defer { try? system.removeTree(path) }
    #expect(try system.status(path)?.isOpenToOthers == false)
    #expect(chmod(path, 0o710) == 0)
    #expect(try system.status(path)?.isOpenToOthers == true)
  }

  @Test("A lock is exclusive, names its holder, and is given back")
  func locks() throws {
    try withSystems { system, root in
      let lock = try system.lock(root + "/lock", holder: "the first")
      do {
        _ = try system.lock(root + "/lock", holder: "the second")
        Issue.record("a second lock was given")
      } catch let error as FileError {
        #expect(error.code == .locked)
        #expect(error.description.contains("the first"))
      }
      lock.release()
      try system.lock(root + "/lock", holder: "the third").release()
    }
  }

  @Test("Nothing is opened through a symbolic link or a path with a NUL; files are private")
  func refusals() throws {
    let real = PosixFileSystem()
    #expect(code { _ = try real.open("/proc/self/exe", .read) } == .symbolicLink)
    #expect(code { _ = try real.open("/tmp\0/x", .read) } == .notFound)
    #expect(code { _ = try real.open("", .read) } == .notFound)
    #expect(code { _ = try real.list("/etc/hostname/x") } == .other)
  }

  @Test("What was not synced is lost, kept or torn at a power cut; what was synced stays")
  func powerCut() throws {
    for seed in UInt64(0)..<100 {
      for survival in CrashSurvival.allCases {
        let disk = FaultyFileSystem(seed: seed)
        let file = try disk.open("/kept", .create)
        try file.write([UInt8](repeating: 1, count: 2000), at: 0)
        try file.sync()
        try disk.syncDirectory("/")
        try file.write([UInt8](repeating: 2, count: 2000), at: 1000)
        _ = try disk.open("/fresh", .create)
        let after = disk.crash(survival)
        #expect(throws: FileError.self) { try file.size() }
        let bytes = try after.readAll("/kept", maxBytes: 4000)
        #expect(bytes.prefix(1000).allSatisfy { $0 == 1 })
        switch survival {
        case .syncedOnly:
          #expect(bytes.count == 2000 && bytes.allSatisfy { $0 == 1 })
          #expect(try after.status("/fresh") == nil)
        case .everything:
          #expect(bytes.count == 3000 && bytes.suffix(2000).allSatisfy { $0 == 2 })
          #expect(try after.status("/fresh") != nil)
        case .some, .torn:
          #expect(bytes.count >= 2000 && bytes.count <= 3000)
        }
      }
    }
  }

  @Test("A sync that failed loses its bytes even when the next one succeeds")
  func failedSync() throws {
    let disk = FaultyFileSystem(seed: 1)
    let file = try disk.open("/file", .create)
    try disk.syncDirectory("/")
    try file.write([1], at: 0)
    disk.fail(.sync, number: 5)
    #expect(throws: FileError.self) { try file.sync() }
    try file.sync()
    #expect(try disk.crash(.syncedOnly).readAll("/file", maxBytes: 9).isEmpty)
  }

  @Test("A full disk takes what fits and says so; the call log tells every call")
  func full() throws {
    let disk = FaultyFileSystem(seed: 1)
    disk.setCapacity(10)
    let file = try disk.open("/file", .create)
    #expect(code { try file.write([UInt8](repeating: 1, count: 11), at: 0) } == .noSpace)
    #expect(try disk.freeBytes("/") == 0)
    try file.write([2], at: 0)
    disk.setCapacity(nil)
    try file.write([UInt8](repeating: 1, count: 11), at: 0)
    #expect(disk.calls.filter { $0.operation == .write }.map(\.bytes) == [11, 1, 11])
  }
}

@Suite struct TimeAndChanceTests {
  @Test("The same seed gives the same stream, another seed another")
  func seeds() {
    var first = SeededGenerator(seed: 7)
    var second = SeededGenerator(seed: 7)
    var third = SeededGenerator(seed: 8)
    let stream = (0..<100).map { _ in first.next() }
    #expect(stream == (0..<100).map { _ in second.next() })
    #expect(stream != (0..<100).map { _ in third.next() })
    #expect(Set(stream).count == 100)
  }

  @Test("Clocks go on; the simulated wall clock may step back, the monotonic one does not")
  func clocks() {
    let system = SystemClock()
    let before = system.monotonicNanoseconds()
    #expect(system.monotonicNanoseconds() >= before)
    #expect(system.wallNanoseconds() > 1_700_000_000_000_000_000)
    let manual = ManualClock(wall: 100)
    manual.advance(nanoseconds: 5)
    manual.setWall(nanoseconds: 3)
    #expect(manual.wallNanoseconds() == 3 && manual.monotonicNanoseconds() == 5)
  }
}

@Suite struct SimulatedNetworkTests {
  @Test("Messages are lost, doubled and overtaken by the seed, and a cut way passes nothing")
  func faults() throws {
    var faults = NetworkFaults()
    faults.lossPercent = 20
    faults.duplicatePercent = 20
    faults.delayMax = 1000
    func run(seed: UInt64) throws -> [UInt8] {
      let network = SimulatedNetwork(seed: seed)
      let (one, two) = (network.join(PeerAddress("one")), network.join(PeerAddress("two")))
      network.setFaults(faults)
      let received = Received()
      two.receive { sender, message in received.add(sender == PeerAddress("one") ? message : []) }
      for number in UInt8(0)..<100 { try one.send([number], to: two.address) }
      while network.deliverNext() != nil {}
      #expect(throws: NetworkError.unreachable(PeerAddress("none"))) { try one.send([], to: PeerAddress("none")) }
      network.setCut(true, from: one.address, to: two.address)
      let count = received.bytes.count
      for _ in 0..<50 { try one.send([1], to: two.address) }
      while network.deliverNext() != nil {}
      #expect(received.bytes.count == count)
      one.close()
      #expect(throws: NetworkError.closed) { try one.send([], to: two.address) }
      return received.bytes
    }
    let bytes = try run(seed: 4)
    #expect(try run(seed: 4) == bytes)
    #expect(Set(bytes).count < 100 && bytes.count > Set(bytes).count && bytes != bytes.sorted())
  }
}
