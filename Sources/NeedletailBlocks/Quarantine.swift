import NeedletailEnvironment

/// The folder `quarantine/` of a data folder: where what cannot be used is moved, so that nothing is removed that
/// somebody may yet want to look at.
struct Quarantine {
  static let name = "quarantine"

  /// The data folder.
  let folder: String
  let fileSystem: any FileSystem

  /// Moves names here that belong together, all under names that end alike and are free; what is not there needs no
  /// moving.
  ///
  /// **Durability**: survives a power cut when it returns; before that each is there under one of its names, or both.
  func take(_ names: [String], from subfolder: String) throws(FileError) {
    let source = folder + (subfolder.isEmpty ? "" : "/" + subfolder)
    var present: [String] = []
    for name in names where try fileSystem.status(source + "/" + name) != nil { present.append(name) }
    guard !present.isEmpty else { return }
    let target = folder + "/" + Self.name
    try fileSystem.createDirectory(target)
    try fileSystem.syncDirectory(folder)
    var ending = ""
    var count = 1
    while try isTaken(names, in: target, ending) {
      count += 1
      ending = ".\(count)"
    }
    for name in present {
      try fileSystem.rename(source + "/" + name, to: target + "/" + name + ending)
      // The new name first: a power cut in between may leave both, and never none.
      try fileSystem.syncDirectory(target)
      try fileSystem.syncDirectory(source)
    }
  }

  private func isTaken(_ names: [String], in target: String, _ ending: String) throws(FileError) -> Bool {
    for name in names where try fileSystem.status(target + "/" + name + ending) != nil { return true }
    return false
  }
}
