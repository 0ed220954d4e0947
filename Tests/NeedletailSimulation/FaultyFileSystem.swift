import NeedletailEnvironment

/// How much of what was not synced a power cut leaves.
package enum CrashSurvival: Sendable, Equatable, CaseIterable {
  /// Nothing.
  case syncedOnly
  /// Everything: what a killed process leaves.
  case everything
  /// Each write and each name is kept or lost as a whole.
  case some
  /// Each write is kept, lost or torn at 512-byte sectors; each name kept or lost.
  case torn
}

/// A call that the file system was asked for.
package struct FileCall: Sendable, Equatable {
  /// What was asked.
  package var operation: FileError.Operation
  /// On which path.
  package var path: String
  /// Bytes read or written.
  package var bytes: Int
}

/// A disk in memory that does what real disks do at their worst, deterministically from a seed: it forgets or tears
/// what was not synced, fills up, fails the n-th call, flips bits, and loses its power at any call.
package final class FaultyFileSystem: FileSystem {
  struct State {
    var disk: SimulatedDisk
    var calls: [FileCall] = []
    var failures: [Failure] = []
    var powerOffAt: Int?
    var isOff = false
    var capacity: Int?
    var random: SeededGenerator
  }

  struct Failure {
    var operation: FileError.Operation
    var pathSuffix: String
    var skip: Int
    var times: Int
    var number: Int32
  }

  let state: Lock<State>
  /// Changes whenever the power went: handles of before are dead.
  private let seed: UInt64

  /// An empty disk.
  package convenience init(seed: UInt64) { self.init(disk: SimulatedDisk(), seed: seed) }

  private init(disk: SimulatedDisk, seed: UInt64) {
    self.seed = seed
    state = Lock(State(disk: disk, random: SeededGenerator(seed: seed)))
  }

  // MARK: Faults

  /// Cuts the power now and returns the disk as it is found when the power is back.
  ///
  /// This object is dead from then on.
  package func crash(_ survival: CrashSurvival) -> FaultyFileSystem {
    let disk = state.withLock { state in
      state.isOff = true
      return state.disk.afterCrash(survival, &state.random)
    }
    return FaultyFileSystem(disk: disk, seed: seed &+ 1)
  }

  /// Cuts the power in the middle of the call with this index (from 0, over all calls): a write that it meets is done
  /// in part, and every call from there on fails.
  package func powerOff(atCall index: Int) { state.withLock { $0.powerOffAt = index } }

  /// Lets `times` calls of an operation fail with a system error number after `skip` of them went well; `onPathsEnding`
  /// narrows it.
  ///
  /// A write that fails is done in part; a sync that fails loses what it was to save.
  package func fail(
    _ operation: FileError.Operation, onPathsEnding suffix: String = "", skip: Int = 0, times: Int = 1, number: Int32
  ) {
    state.withLock {
      $0.failures.append(
        Failure(operation: operation, pathSuffix: suffix, skip: skip, times: times, number: number))
    }
  }

  /// Ends all failures that were arranged.
  package func stopFailing() { state.withLock { $0.failures = [] } }

  /// Gives the disk this many bytes in all; nil for no limit.
  package func setCapacity(_ bytes: Int?) { state.withLock { $0.capacity = bytes } }

  /// Bytes of all files.
  package var usedBytes: Int { state.withLock { $0.disk.usedBytes } }

  /// Flips one bit of a file, on the medium.
  package func flip(_ path: String, byte: Int, bit: Int) {
    state.withLock { state in
      guard let node = state.disk.find(path), var value = state.disk.nodes[node] else { return }
      if value.current.indices.contains(byte) { value.current[byte] ^= 1 << UInt8(bit & 7) }
      if value.durable.indices.contains(byte) { value.durable[byte] ^= 1 << UInt8(bit & 7) }
      state.disk.nodes[node] = value
    }
  }

  /// Every call so far, in order.
  package var calls: [FileCall] { state.withLock { $0.calls } }

  /// How many calls there were.
  package var callCount: Int { state.withLock { $0.calls.count } }

  /// A separate disk with the same content, all of it durable: to try several fates from one state.
  package func copy(seed: UInt64) -> FaultyFileSystem {
    var random = SeededGenerator(seed: seed)
    return FaultyFileSystem(disk: state.withLock { $0.disk.afterCrash(.everything, &random) }, seed: seed)
  }

  // MARK: FileSystem

  /// Counts a call and throws the failure that is due.
  ///
  /// `bytes` is what a write was about to write.
  func enter(
    _ state: inout State, _ operation: FileError.Operation, _ path: String, bytes: Int = 0
  ) throws(FileError) {
    if state.isOff { throw FileError(.device, operation, path: path, reason: "the power is off") }
    let index = state.calls.count
    state.calls.append(FileCall(operation: operation, path: path, bytes: bytes))
    if let limit = state.powerOffAt, index >= limit {
      state.isOff = true
      throw FileError(.device, operation, path: path, reason: "the power went off")
    }
    for position in state.failures.indices {
      let failure = state.failures[position]
      guard failure.operation == operation, path.hasSuffix(failure.pathSuffix) else { continue }
      if failure.skip > 0 {
        state.failures[position].skip -= 1
      } else if failure.times > 0 {
        state.failures[position].times -= 1
        throw FileError(number: failure.number, operation, path: path)
      }
    }
  }

  private func with<Result: Sendable>(
    _ operation: FileError.Operation, _ path: String,
    _ body: (inout SimulatedDisk) throws(FileError) -> Result
  ) throws(FileError) -> Result {
    try state.withLock { (state) throws(FileError) in
      try enter(&state, operation, path)
      return try body(&state.disk)
    }
  }

  private static func missing(_ operation: FileError.Operation, _ path: String) -> FileError {
    FileError(.notFound, operation, path: path, reason: "there is nothing")
  }

  package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
    let node = try with(.open, path) { (disk) throws(FileError) in
      if let node = disk.find(path) {
        if mode == .create { throw FileError(.exists, .open, path: path, reason: "it exists") }
        return node
      }
      let (parent, name) = SimulatedDisk.split(path)
      guard mode == .create, let directory = disk.find(parent) else { throw Self.missing(.open, path) }
      return disk.make(name, in: directory, isDirectory: false)
    }
    return FaultyFile(fileSystem: self, node: node, path: path)
  }

  package func createDirectory(_ path: String) throws(FileError) {
    try with(.createDirectory, path) { (disk) throws(FileError) in
      if let node = disk.find(path) {
        if disk.nodes[node]?.isDirectory == true { return }
        throw FileError(.exists, .createDirectory, path: path, reason: "it is a file")
      }
      let (parent, name) = SimulatedDisk.split(path)
      guard let directory = disk.find(parent) else { throw Self.missing(.createDirectory, path) }
      _ = disk.make(name, in: directory, isDirectory: true)
    }
  }

  package func list(_ path: String) throws(FileError) -> [DirectoryEntry] {
    try with(.list, path) { (disk) throws(FileError) in
      guard let directory = disk.find(path), let names = disk.nodes[directory]?.names else {
        throw Self.missing(.list, path)
      }
      return names.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { name in
        let isDirectory = names[name].flatMap { disk.nodes[$0]?.isDirectory } ?? false
        return DirectoryEntry(name: name, kind: isDirectory ? .directory : .file)
      }
    }
  }

  package func status(_ path: String) throws(FileError) -> FileStatus? {
    try with(.status, path) { disk in
      guard let node = disk.find(path), let value = disk.nodes[node] else { return nil }
      return FileStatus(kind: value.isDirectory ? .directory : .file, size: UInt64(value.current.count))
    }
  }

  package func remove(_ path: String) throws(FileError) {
    try with(.remove, path) { (disk) throws(FileError) in
      let (parent, name) = SimulatedDisk.split(path)
      guard let directory = disk.find(parent), let node = disk.find(path) else { throw Self.missing(.remove, path) }
      if disk.nodes[node]?.names.isEmpty == false {
        throw FileError(.exists, .remove, path: path, reason: "the folder is not empty")
      }
      disk.setNames([(name, nil)], in: directory)
    }
  }

  package func rename(_ path: String, to newPath: String) throws(FileError) {
    try with(.rename, path) { (disk) throws(FileError) in
      let (parent, name) = SimulatedDisk.split(path)
      let (newParent, newName) = SimulatedDisk.split(newPath)
      guard let from = disk.find(parent), let to = disk.find(newParent), let node = disk.find(path) else {
        throw Self.missing(.rename, path)
      }
      if from == to {
        disk.setNames([(name, nil), (newName, node)], in: from)
      } else {
        disk.setNames([(newName, node)], in: to)
        disk.setNames([(name, nil)], in: from)
      }
    }
  }

  package func link(_ path: String, to newPath: String) throws(FileError) {
    try with(.link, path) { (disk) throws(FileError) in
      let (newParent, newName) = SimulatedDisk.split(newPath)
      guard let to = disk.find(newParent), let node = disk.find(path) else { throw Self.missing(.link, path) }
      if disk.find(newPath) != nil { throw FileError(.exists, .link, path: newPath, reason: "it exists") }
      disk.setNames([(newName, node)], in: to)
    }
  }

  package func syncDirectory(_ path: String) throws(FileError) {
    try with(.syncDirectory, path) { (disk) throws(FileError) in
      guard let directory = disk.find(path) else { throw Self.missing(.syncDirectory, path) }
      disk.syncNames(directory)
    }
  }

  package func lock(_ path: String, holder: String) throws(FileError) -> any FileLock {
    let node = try with(.lock, path) { (disk) throws(FileError) in
      let (parent, name) = SimulatedDisk.split(path)
      guard let directory = disk.find(parent) else { throw Self.missing(.lock, path) }
      let node = disk.find(path) ?? disk.make(name, in: directory, isDirectory: false)
      if let other = disk.locks[node] {
        throw FileError(.locked, .lock, path: path, reason: "it is held by \(other)")
      }
      disk.locks[node] = holder
      return node
    }
    return FaultyLock(fileSystem: self, node: node)
  }

  package func freeBytes(_ path: String) throws(FileError) -> UInt64 {
    try state.withLock { (state) throws(FileError) in
      try enter(&state, .freeBytes, path)
      guard let capacity = state.capacity else { return 1 << 40 }
      return UInt64(max(0, capacity - state.disk.usedBytes))
    }
  }
}

private final class FaultyLock: FileLock {
  private let fileSystem: FaultyFileSystem
  private let node: Int
  init(fileSystem: FaultyFileSystem, node: Int) {
    self.fileSystem = fileSystem
    self.node = node
  }
  func release() { fileSystem.state.withLock { $0.disk.locks[node] = nil } }
}
