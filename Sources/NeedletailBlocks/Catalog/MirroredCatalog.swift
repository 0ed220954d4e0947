// The catalog as the engines see it: a store and its mirror. A change is made in the store, then written to the mirror,
// and only then has it been made; so a bit that flips in either costs nothing, and is told at the next opening. A mirror
// that cannot be written, on a full disk say, is taken away instead, until it can be: what lacks a change must not count
// once parts are removed that only it lists. Where it cannot even be taken away the change has not been made.

import NeedletailEnvironment

/// The catalog of an open data folder.
final class MirroredCatalog: PartCatalog {
  private struct State {
    /// What the store holds; nil where that is to be asked.
    var content: CatalogContent?
    var mirror: MirrorState
    /// What the mirror held before a change that may or may not have been made.
    var mirrored: CatalogContent?
  }

  private enum MirrorState {
    /// It holds what the store holds.
    case current
    /// There is none.
    case absent
    /// It may hold what was before the last change.
    case stale
  }

  private let store: any CatalogStore
  private let mirror: CatalogMirror
  /// Held across calls to the disk: one change at a time.
  private let state: Lock<State>

  /// The catalog in `store`, of which `content` is known.
  init(_ store: any CatalogStore, mirror: CatalogMirror, content: CatalogContent, isMirrored: Bool) {
    self.store = store
    self.mirror = mirror
    state = Lock(State(content: content, mirror: isMirrored ? .current : .stale))
  }

  func content() throws(CatalogError) -> CatalogContent {
    try state.withLock { (state) throws(CatalogError) in try settled(&state) }
  }

  func make(_ change: CatalogChange) throws(CatalogError) {
    try state.withLock { (state) throws(CatalogError) in
      var content = try settled(&state)
      // Until it is known what was done: the store, which may have done it, is asked.
      state = State(content: nil, mirror: .stale, mirrored: state.mirror == .current ? content : nil)
      do throws(CatalogError) {
        try store.make(change)
      } catch {
        guard error.cause == .damaged else { throw error }
        throw CatalogError(
          "\(error.message); a start makes it anew from \(CatalogMirror.fileName) where that is there", cause: .damaged)
      }
      do throws(CatalogError) { try content.apply(change) } catch { content = try store.content() }
      state.content = content
      _ = try settled(&state)
    }
  }

  /// What the store holds, after the mirror was brought to it, or taken away.
  private func settled(_ state: inout State) throws(CatalogError) -> CatalogContent {
    let content: CatalogContent
    if let known = state.content { content = known } else { content = try store.content() }
    state.content = content
    // A change that was not made left the mirror right.
    if let held = state.mirrored, held.changes == content.changes, held == content { state.mirror = .current }
    state.mirrored = nil
    guard state.mirror != .current else { return content }
    do throws(FileError) {
      try mirror.write(content)
      state.mirror = .current
    } catch {
      guard state.mirror == .stale else { return content }
      do throws(FileError) { try mirror.remove() } catch {
        throw CatalogError("cannot write \(CatalogMirror.fileName) beside the catalog, nor take it away: \(error)")
      }
      state.mirror = .absent
    }
    return content
  }
}
