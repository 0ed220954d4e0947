extension FileSystem {
  /// Gives a file of a folder, which exists, other content as a whole: written beside it under the name with `.new`
  /// behind, synced and renamed.
  ///
  /// It is another file, never other bytes of the same: links to the old one keep what it had. What was left under the
  /// other name is removed. **Durability**: survives a power cut when it returns; before that the folder has the old file
  /// or, where there was none, none.
  package func replace(_ name: String, in folder: String, with bytes: [UInt8]) throws(FileError) {
    let (path, fresh) = (folder + "/" + name, folder + "/" + name + ".new")
    if try status(fresh) != nil { try remove(fresh) }
    let file = try open(fresh, .create)
    defer { file.close() }
    try file.write(bytes, at: 0)
    try file.sync()
    try rename(fresh, to: path)
    try syncDirectory(folder)
  }
}
