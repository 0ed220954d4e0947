import Foundation

/// What a folder takes on disk, in bytes: by allocated blocks, which is what the disk loses, and by the lengths of its files.
package struct DiskUse: Sendable {
  package var allocated = 0
  package var length = 0

  /// Adds up the regular files below the folder; files that go away meanwhile are left out.
  package init(folder: String) {
    guard let walk = FileManager.default.enumerator(atPath: folder) else { return }
    while let name = walk.nextObject() as? String {
      var status = stat()
      guard lstat(folder + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      allocated += Int(status.st_blocks) * 512
      length += Int(status.st_size)
    }
  }
}
