import NeedletailEnvironment

extension FileSystem {
  /// Takes the header's name away from a part that no catalog lists, so that a repair without a catalog does not take
  /// the folder for a part.
  ///
  /// **Durability**: survives a power cut when it returns.
  func retirePart(_ folder: String) throws(FileError) {
    let header = folder + "/" + PartHeader.fileName
    if try status(header) != nil { try rename(header, to: folder + "/" + PartHeader.replacedName) }
    try syncDirectory(folder)
  }

  /// Removes a part's folder, or whatever else has the name; nothing there is fine.
  ///
  /// The header is durably gone before anything else is: a power cut keeps and loses names in any order, and what is
  /// deleted of a part must not go while the rest of it stays.
  func removePart(_ folder: String) throws(FileError) {
    if try status(folder + "/" + PartHeader.fileName) != nil { try retirePart(folder) }
    // Ahead of the other files, so that a snapshot which still finds it has found them all.
    let replaced = folder + "/" + PartHeader.replacedName
    if try status(replaced) != nil { try remove(replaced) }
    try removeTree(folder)
  }
}
