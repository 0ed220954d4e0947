/// Something in a data folder that is not what was written.
package struct StorageDamage: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file or folder, from the data folder on.
  package var path: String
  /// The first byte that is wrong, where one can be named.
  package var offset: UInt64?
  /// What is wrong.
  package var reason: String
  /// Whether the whole part is of no use, not only what the damage covers.
  package var losesPart: Bool
  /// The part that it is in.
  package var part: PartID?

  /// A damage from its parts.
  package init(path: String, offset: UInt64? = nil, reason: String, part: PartID? = nil, losesPart: Bool = false) {
    self.path = path
    self.offset = offset
    self.reason = reason
    self.part = part
    self.losesPart = losesPart
  }

  /// Why an engine cannot open a part of `folder`.
  ///
  /// What another version of this program wrote, or what the system would not read, is not lost by that.
  package init(part: PartID, _ error: BlockError, in folder: PartsFolder) {
    self.init(path: "parts/" + part.folderName, reason: "\(error)", part: part)
    guard case .damaged(let path, let offset, let damage) = error else { return }
    if path.hasPrefix(folder.path + "/") { self.path = "parts" + path.dropFirst(folder.path.utf8.count) }
    self.offset = offset
    reason = damage.rawValue
    losesPart = damage != .version
  }

  package var description: String { path + (offset.map { " at byte \($0)" } ?? "") + ": " + reason }
}
