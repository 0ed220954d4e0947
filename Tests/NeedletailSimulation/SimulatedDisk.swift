// The model behind `FaultyFileSystem`: what a disk and a kernel may legally do to a program. Every file has the bytes
// that reads see, the bytes that are durable, and the list of writes in between; every folder the same with names.
// A power cut keeps any part of what is in between, sector by sector. It is stricter than common file systems: syncing
// a file never syncs its name, and names are kept or lost one by one.

import NeedletailEnvironment

/// One change of a file that is not durable yet.
struct PendingWrite {
  enum Change {
    case write(offset: Int, bytes: [UInt8])
    case truncate(size: Int)
  }
  var change: Change
  /// A failed sync dropped it from the kernel's list of what is to be written: a later sync does not save it.
  var lost = false
}

/// A file's or folder's content.
struct SimulatedNode {
  var isDirectory: Bool
  var current: [UInt8] = []
  var durable: [UInt8] = []
  var pending: [PendingWrite] = []
  var names: [String: Int] = [:]
  var durableNames: [String: Int] = [:]
  /// Each element is kept or lost as one: the names it sets or (nil) removes.
  var pendingNames: [[(name: String, node: Int?)]] = []
}

struct SimulatedDisk {
  static let sectorBytes = 512
  var nodes: [Int: SimulatedNode] = [0: SimulatedNode(isDirectory: true)]
  var nextNode = 1
  var locks: [Int: String] = [:]

  // MARK: Names

  static func split(_ path: String) -> (parent: String, name: String) {
    let parts = path.split(separator: "/").filter { $0 != "." }
    return (parts.dropLast().joined(separator: "/"), parts.last.map(String.init) ?? "")
  }

  func find(_ path: String) -> Int? {
    var node = 0
    for name in path.split(separator: "/") where name != "." {
      guard let next = nodes[node]?.names[String(name)] else { return nil }
      node = next
    }
    return node
  }

  mutating func setNames(_ changes: [(name: String, node: Int?)], in directory: Int) {
    for (name, node) in changes { nodes[directory]?.names[name] = node }
    nodes[directory]?.pendingNames.append(changes)
  }

  mutating func make(_ name: String, in directory: Int, isDirectory: Bool) -> Int {
    let node = nextNode
    nextNode += 1
    nodes[node] = SimulatedNode(isDirectory: isDirectory)
    setNames([(name, node)], in: directory)
    return node
  }

  // MARK: Content

  static func apply(_ change: PendingWrite.Change, to bytes: inout [UInt8]) {
    switch change {
    case .write(let offset, let new):
      if bytes.count < offset + new.count {
        bytes.append(contentsOf: [UInt8](repeating: 0, count: offset + new.count - bytes.count))
      }
      bytes.withUnsafeMutableBytes { target in
        new.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: $0) }
      }
    case .truncate(let size):
      if size <= bytes.count {
        bytes.removeLast(bytes.count - size)
      } else {
        bytes.append(contentsOf: [UInt8](repeating: 0, count: size - bytes.count))
      }
    }
  }

  mutating func change(_ node: Int, _ change: PendingWrite.Change) {
    guard var value = nodes.removeValue(forKey: node) else { return }
    Self.apply(change, to: &value.current)
    value.pending.append(PendingWrite(change: change))
    nodes[node] = value
  }

  mutating func sync(_ node: Int) {
    guard var value = nodes.removeValue(forKey: node) else { return }
    for write in value.pending where !write.lost { Self.apply(write.change, to: &value.durable) }
    value.pending.removeAll { !$0.lost }
    nodes[node] = value
  }

  mutating func failSync(_ node: Int) {
    guard let count = nodes[node]?.pending.count else { return }
    for index in 0..<count { nodes[node]?.pending[index].lost = true }
  }

  mutating func syncNames(_ directory: Int) {
    guard let names = nodes[directory]?.names else { return }
    nodes[directory]?.durableNames = names
    nodes[directory]?.pendingNames = []
  }

  /// Bytes of all files that reads see.
  var usedBytes: Int {
    nodes.values.reduce(0) { $0 + $1.current.count }
  }

  // MARK: Power cut

  /// What is there after the power came back.
  func afterCrash(_ survival: CrashSurvival, _ random: inout SeededGenerator) -> SimulatedDisk {
    var disk = SimulatedDisk()
    disk.nextNode = nextNode
    var queue = [0]
    while let node = queue.popLast() {
      guard let old = nodes[node] else { continue }
      var new = SimulatedNode(isDirectory: old.isDirectory)
      if old.isDirectory {
        new.names = Self.survivingNames(old, survival, &random)
        new.durableNames = new.names
        for name in new.names.keys.sorted() {
          if let child = new.names[name], disk.nodes[child] == nil { queue.append(child) }
        }
      } else {
        new.current = Self.survivingBytes(old, survival, &random)
        new.durable = new.current
      }
      disk.nodes[node] = new
    }
    return disk
  }

  private static func survivingNames(
    _ node: SimulatedNode, _ survival: CrashSurvival, _ random: inout SeededGenerator
  ) -> [String: Int] {
    if survival == .everything { return node.names }
    var names = node.durableNames
    if survival == .syncedOnly { return names }
    for changes in node.pendingNames where Bool.random(using: &random) {
      for (name, child) in changes { names[name] = child }
    }
    return names
  }

  private static func survivingBytes(
    _ node: SimulatedNode, _ survival: CrashSurvival, _ random: inout SeededGenerator
  ) -> [UInt8] {
    if survival == .everything, !node.pending.contains(where: \.lost) { return node.current }
    var bytes = node.durable
    if survival == .syncedOnly { return bytes }
    for write in node.pending {
      guard case .write(let offset, let new) = write.change, survival == .torn else {
        if !write.lost, survival == .everything || Bool.random(using: &random) { apply(write.change, to: &bytes) }
        continue
      }
      if write.lost, Bool.random(using: &random) { continue }
      // Sector by sector; one that is lost between others reads as what was there, zeros beyond the old end.
      let wholeLuck = Int.random(in: 0..<4, using: &random)
      if wholeLuck == 0 { continue }
      var position = 0
      while position < new.count {
        let end = min(new.count, (offset + position) / sectorBytes * sectorBytes + sectorBytes - offset)
        if wholeLuck == 1 || Bool.random(using: &random) {
          apply(.write(offset: offset + position, bytes: Array(new[position..<end])), to: &bytes)
        }
        position = end
      }
    }
    return bytes
  }
}
