import NeedletailEnvironment

/// The folder `quarantine/` of a data folder: where what cannot be used is moved, so that nothing is removed that
/// somebody may yet want to look at.
struct Quarantine {
  static let name = "quarantine"

  /// The data folder.
  let folder: String
  let fileSystem: any FileSystem

  /// Moves a name here, under a name that is free; what is not there needs no moving.
  ///
  /// **Durability**: survives a power cut when it returns; before that it is there under one of the names, or both.
  func take(_ name: String, from subfolder: String) throws(FileError) {
    let source = folder + (subfolder.isEmpty ? "" : "/" + subfolder)
    guard try fileSystem.status(source + "/" + name) != nil else { return }
    let target = folder + "/" + Self.name
    try fileSystem.createDirectory(target)
    try fileSystem.syncDirectory(folder)
    var free = name
    var count = 1
    while try fileSystem.status(target + "/" + free) != nil {
      count += 1
      free = "\(name).\(count)"
    }
    try fileSystem.rename(source + "/" + name, to: target + "/" + free)
    // The new name first: a power cut in between may leave both, and never none.
    try fileSystem.syncDirectory(target)
    try fileSystem.syncDirectory(source)
  }
}
