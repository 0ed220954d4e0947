import NeedletailEnvironment

/// The files of parts that are open for reading: a bounded number, however many parts there are.
///
/// A file that is put out while somebody reads from it is closed when that reader is done.
final class OpenFiles: Sendable {
  fileprivate struct Entry {
    var file: any File
    /// When it was asked for last, as a number that counts the questions.
    var used: UInt64
  }

  fileprivate struct State {
    var entries: [String: Entry] = [:]
    var clock: UInt64 = 0
  }

  private let fileSystem: any FileSystem
  private let countMax: Int
  private let state = Lock(State())

  /// Keeps up to `countMax` files open.
  init(on fileSystem: any FileSystem, countMax: Int = 256) {
    self.fileSystem = fileSystem
    self.countMax = max(1, countMax)
  }

  /// The file at `path`, opened if it is not.
  func file(_ path: String) throws(FileError) -> any File {
    if let known = state.withLock({ $0.touch(path) }) { return known }
    let file = try fileSystem.open(path, .read)
    return state.withLock { state in
      // Another thread may have been faster; then its file is used and this one closes.
      if let known = state.touch(path) { return known }
      if state.entries.count >= countMax, let oldest = state.entries.min(by: { $0.value.used < $1.value.used })?.key {
        state.entries[oldest] = nil
      }
      state.entries[path] = Entry(file: file, used: state.clock)
      return file
    }
  }

  /// Lets go of all files below a folder, so that the space of removed ones is free.
  func forget(below folder: String) {
    state.withLock { state in state.entries = state.entries.filter { !$0.key.hasPrefix(folder + "/") } }
  }

  /// How many files it keeps open.
  var count: Int { state.withLock { $0.entries.count } }
}

extension OpenFiles.State {
  fileprivate mutating func touch(_ path: String) -> (any File)? {
    clock &+= 1
    entries[path]?.used = clock
    return entries[path]?.file
  }
}

/// Keeps a part's folder from being removed for as long as somebody may read from it.
final class PartHold: Sendable {
  private let id: PartID
  private let folder: PartsFolder

  init(_ id: PartID, in folder: PartsFolder) {
    self.id = id
    self.folder = folder
    folder.hold(id)
  }

  deinit { folder.release(id) }
}
