// Which of the two copies of a catalog counts. The mirror is written after SQLite's transaction and before anybody is
// told that a change was made, so it is never ahead but of a database that has lost something: a flipped bit in its
// write-ahead log ends that log early, and someone may have put an old file back. And whichever content is whole may be
// gone on with: nothing of what a later change let go of is removed before both have that change.

/// What is to be done about the two copies of a catalog.
enum CatalogVerdict: Sendable, Equatable {
  /// The database counts. The mirror is written anew where it says something else; `damage` is what is wrong with it.
  case database(CatalogContent, isMirrored: Bool, damage: String?)
  /// The mirror counts, and the database is made anew from it because of this.
  case mirror(CatalogContent, reason: String)
  /// There is no catalog.
  case none
  /// There was one, and neither copy of it can be read.
  case lost(String)
  /// Another version of this program wrote it.
  case otherVersion(String)

  /// The verdict on what both say.
  init(database: CatalogReading, mirror: CatalogReading) {
    switch (database, mirror) {
    case (.content(let content), .content(let other)): self = Self.compare(content, other)
    case (_, .otherVersion(let words)): self = .otherVersion("\(CatalogMirror.fileName): \(words)")
    case (.content(let content), .missing): self = .database(content, isMirrored: false, damage: nil)
    case (.content(let content), .damaged(let words)): self = .database(content, isMirrored: false, damage: words)
    case (.missing, .content(let content)): self = .mirror(content, reason: "it is not there")
    // A later version that changes the tables changes the mirror's version too.
    case (.damaged(let words), .content(let content)), (.otherVersion(let words), .content(let content)):
      self = .mirror(content, reason: words)
    case (.otherVersion(let words), _): self = .otherVersion(words)
    case (.missing, .missing): self = .none
    case (.missing, .damaged(let words)):
      self = .lost("there is no \(CatalogPlace.fileName), and of \(CatalogMirror.fileName): \(words)")
    case (.damaged(let words), .missing): self = .lost(words)
    case (.damaged(let words), .damaged(let other)):
      self = .lost("\(words); and of \(CatalogMirror.fileName): \(other)")
    }
  }

  private static func compare(_ content: CatalogContent, _ mirror: CatalogContent) -> CatalogVerdict {
    // One in which nothing was ever set was just made, in place of one that is gone.
    guard content.settings[.layoutVersion] != nil || mirror.settings[.layoutVersion] == nil else {
      return .mirror(mirror, reason: "it is blank")
    }
    guard mirror.settings[.folderID].map({ $0 == content.settings[.folderID] }) ?? true else {
      return .database(content, isMirrored: false, damage: "it belongs to another folder")
    }
    guard mirror.changes <= content.changes else {
      let missing = mirror.changes &- content.changes
      return .mirror(mirror, reason: "its last \(missing == 1 ? "change is" : "\(missing) changes are") gone")
    }
    return .database(content, isMirrored: content == mirror, damage: nil)
  }
}
