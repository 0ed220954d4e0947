import NeedletailEnvironment
import Synchronization

/// An open file of a `FaultyFileSystem`.
final class FaultyFile: File {
  let path: String
  private let fileSystem: FaultyFileSystem
  private let node: Int
  private let isClosed = Atomic(false)

  init(fileSystem: FaultyFileSystem, node: Int, path: String) {
    self.fileSystem = fileSystem
    self.node = node
    self.path = path
  }

  private func with<Result: Sendable>(
    _ operation: FileError.Operation,
    _ body: (inout FaultyFileSystem.State) throws(FileError) -> Result
  ) throws(FileError) -> Result {
    if isClosed.load(ordering: .relaxed) {
      throw FileError(.other, operation, path: path, reason: "the file is closed")
    }
    return try fileSystem.state.withLock { (state) throws(FileError) in try body(&state) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileError) -> Int {
    try with(.read) { (state) throws(FileError) in
      try fileSystem.enter(&state, .read, path, bytes: buffer.count)
      let bytes = state.disk.nodes[node]?.current ?? []
      guard let start = Int(exactly: offset), start < bytes.count else { return 0 }
      let count = min(buffer.count, bytes.count - start)
      bytes.withUnsafeBytes { source in
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<start + count]))
      }
      return count
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileError) {
    try with(.write) { (state) throws(FileError) in
      guard let start = Int(exactly: offset) else {
        throw FileError(.other, .write, path: path, reason: "the offset is too large")
      }
      let wasOn = !state.isOff
      do throws(FileError) {
        try fileSystem.enter(&state, .write, path, bytes: bytes.count)
      } catch {
        // What a failing or interrupted write leaves is any part of it.
        if wasOn, !bytes.isEmpty {
          let part = Int.random(in: 0...bytes.count, using: &state.random)
          state.disk.change(node, .write(offset: start, bytes: Array(bytes.prefix(part))))
        }
        throw error
      }
      var fitting = bytes.count
      if let capacity = state.capacity {
        let size = state.disk.nodes[node]?.current.count ?? 0
        let room = max(0, capacity - state.disk.usedBytes) + max(0, size - start)
        fitting = min(fitting, room)
      }
      state.disk.change(node, .write(offset: start, bytes: Array(bytes.prefix(fitting))))
      if fitting < bytes.count {
        throw FileError(.noSpace, .write, path: path, number: 28, reason: "No space left on device")
      }
    }
  }

  func sync() throws(FileError) {
    try with(.sync) { (state) throws(FileError) in
      do throws(FileError) {
        try fileSystem.enter(&state, .sync, path)
      } catch {
        if !state.isOff { state.disk.failSync(node) }
        throw error
      }
      state.disk.sync(node)
    }
  }

  func size() throws(FileError) -> UInt64 {
    try with(.size) { (state) throws(FileError) in
      try fileSystem.enter(&state, .size, path)
      return UInt64(state.disk.nodes[node]?.current.count ?? 0)
    }
  }

  func truncate(to size: UInt64) throws(FileError) {
    try with(.truncate) { (state) throws(FileError) in
      try fileSystem.enter(&state, .truncate, path)
      guard let size = Int(exactly: size) else {
        throw FileError(.other, .truncate, path: path, reason: "the size is too large")
      }
      state.disk.change(node, .truncate(size: size))
    }
  }

  func close() { isClosed.store(true, ordering: .relaxed) }
}
