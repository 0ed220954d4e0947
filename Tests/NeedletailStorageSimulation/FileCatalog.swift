import NeedletailBlocks
import NeedletailEnvironment

/// A catalog in one file of a simulated disk, which is there before or after a change, whatever crashes.
///
/// It stands in for SQLite where a catalog's own files are what a test is about.
package final class FileCatalog: CatalogStore {
  private let path: String
  private let fileSystem: any FileSystem
  private let changing = Lock<Void>(())

  /// The catalog in the file at `path`, or an empty one.
  package init(path: String, on fileSystem: any FileSystem) throws(CatalogError) {
    (self.path, self.fileSystem) = (path, fileSystem)
    do throws(FileError) {
      if try fileSystem.status(path) == nil { try write(CatalogContent()) }
    } catch {
      throw CatalogError("\(error)")
    }
  }

  package func content() throws(CatalogError) -> CatalogContent {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.readAll(path, maxBytes: 1 << 20)
    } catch {
      throw CatalogError("\(error)")
    }
    guard let content = CatalogContent(encoded: bytes) else {
      throw CatalogError("\(path) is not what was written", cause: .damaged)
    }
    return content
  }

  package func make(_ change: CatalogChange) throws(CatalogError) {
    try changing.withLock { (_) throws(CatalogError) in
      var content = try content()
      try content.apply(change)
      do throws(FileError) { try write(content) } catch { throw CatalogError("\(error)") }
    }
  }

  package func replace(with content: CatalogContent) throws(CatalogError) {
    do throws(FileError) { try write(content) } catch { throw CatalogError("\(error)") }
  }

  private func write(_ content: CatalogContent) throws(FileError) {
    let fresh = path + ".fresh"
    if try fileSystem.status(fresh) != nil { try fileSystem.remove(fresh) }
    let file = try fileSystem.open(fresh, .create)
    defer { file.close() }
    try file.write(content.encoded(), at: 0)
    try file.sync()
    try fileSystem.rename(fresh, to: path)
    try fileSystem.syncDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
  }
}
