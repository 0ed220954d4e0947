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

  package var description: String { path + (offset.map { " at byte \($0)" } ?? "") + ": " + reason }
}
