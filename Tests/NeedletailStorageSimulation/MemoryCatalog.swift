import NeedletailBlocks
import NeedletailEnvironment

/// A catalog without a disk: each call is atomic, and what it did stays for as long as the object lives.
///
/// It stands in for SQLite where a simulated machine crashes around it, and can be told to fail.
package final class MemoryCatalog: CatalogStore {
  /// How a commit that is told to fail does it.
  package enum Failure: Sendable {
    /// Nothing was done.
    case before
    /// It was done, but the caller is told that it failed: what a lost answer looks like.
    case after
    /// It was not done, but `restart` does it unless another commit succeeded meanwhile: what a commit looks like whose
    /// pages reached the catalog's own log before the error.
    case comesBack
  }

  private struct State {
    var content = CatalogContent()
    var failure: Failure?
    var failed: CatalogChange?
  }

  private let state = Lock(State())
  private let watcher = Lock<(@Sendable () -> Void)?>(nil)

  /// An empty catalog.
  package init() {}

  /// This catalog, for whoever asks for the one at a path: a file stands there for it, as one of SQLite would.
  package func placed(at path: String, on fileSystem: any FileSystem) throws(CatalogError) -> MemoryCatalog {
    do throws(FileError) {
      guard try fileSystem.status(path) == nil else { return self }
      let file = try fileSystem.open(path, .create)
      defer { file.close() }
      try file.write([1], at: 0)
      try file.sync()
      try fileSystem.syncDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    } catch {
      throw CatalogError("\(error)")
    }
    return self
  }

  /// Another catalog that holds the same.
  package func copy() -> MemoryCatalog {
    let copy = MemoryCatalog()
    let now = state.withLock { $0 }
    copy.state.withLock { $0 = now }
    return copy
  }

  /// Makes the next `commit` fail, once.
  package func failNextCommit(_ failure: Failure) { state.withLock { $0.failure = failure } }

  /// Calls `watcher` in the middle of all commits from now on, while every other call to the catalog waits, as one to
  /// SQLite does; nil calls nobody.
  package func watchCommits(_ watcher: (@Sendable () -> Void)?) { self.watcher.withLock { $0 = watcher } }

  /// Does what a database does when it is opened again: a failed commit may come back.
  package func restart() {
    state.withLock { state in
      if let failed = state.failed { try? state.content.apply(failed) }
      state.failed = nil
    }
  }

  package func content() throws(CatalogError) -> CatalogContent { state.withLock { $0.content } }

  package func make(_ change: CatalogChange) throws(CatalogError) {
    let watcher = watcher.withLock { $0 }
    try state.withLock { (state) throws(CatalogError) in
      watcher?()
      let failure = state.failure
      state.failure = nil
      var changed = state.content
      try changed.apply(change)
      if failure == .comesBack { state.failed = change }
      if failure == .before || failure == .comesBack { throw CatalogError("the commit was told to fail") }
      (state.failed, state.content) = (nil, changed)
      if failure == .after { throw CatalogError("the commit's answer was told to get lost") }
    }
  }

  package func replace(with content: CatalogContent) throws(CatalogError) {
    state.withLock { state in (state.failed, state.content) = (nil, content) }
  }
}
