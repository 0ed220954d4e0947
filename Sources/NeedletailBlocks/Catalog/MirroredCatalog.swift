// The catalog as the engines see it: a store and its mirror. A change is made in the store, then written to the mirror,
// and only then has it been made; so a bit that flips in either costs nothing, and is told at the next opening.

import NeedletailEnvironment

/// The catalog of an open data folder.
final class MirroredCatalog: PartCatalog {
  private struct State {
    /// What the store holds; nil where that is to be asked.
    var content: CatalogContent?
    /// Whether the mirror holds it too.
    var isMirrored: Bool
  }

  private let store: any CatalogStore
  private let mirror: CatalogMirror
  /// Held across calls to the disk: one change at a time.
  private let state: Lock<State>

  /// The catalog in `store`, of which `content` is known.
  init(_ store: any CatalogStore, mirror: CatalogMirror, content: CatalogContent, isMirrored: Bool) {
    self.store = store
    self.mirror = mirror
    state = Lock(State(content: content, isMirrored: isMirrored))
  }

  func content() throws(CatalogError) -> CatalogContent {
    try state.withLock { (state) throws(CatalogError) in try settled(&state) }
  }

  func make(_ change: CatalogChange) throws(CatalogError) {
    try state.withLock { (state) throws(CatalogError) in
      var content = try settled(&state)
      // Until it is known what was done: the store, which may have done it, is asked.
      state = State(content: nil, isMirrored: false)
      try store.make(change)
      do throws(CatalogError) { try content.apply(change) } catch { content = try store.content() }
      state.content = content
      _ = try settled(&state)
    }
  }

  /// What both hold, after what one of them lacked was brought to it.
  private func settled(_ state: inout State) throws(CatalogError) -> CatalogContent {
    let content: CatalogContent
    if let known = state.content { content = known } else { content = try store.content() }
    state.content = content
    guard !state.isMirrored else { return content }
    do throws(FileError) { try mirror.write(content) } catch {
      throw CatalogError("cannot write \(CatalogMirror.fileName) beside the catalog: \(error)")
    }
    state.isMirrored = true
    return content
  }
}
