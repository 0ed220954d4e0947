// Which of the two copies of a catalog counts. The mirror is written after SQLite's transaction and before anybody is
// told that a change was made, so it is never ahead but of a database that has lost something: a flipped bit in its
// write-ahead log ends that log early, and someone may have put an old file back. And whichever content is whole may be
// gone on with: nothing of what a later change let go of is removed before both have that change, or the mirror is gone.
//
// A catalog of another folder would have the next start remove every part. The file `identity` is the witness against it.

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
  /// Which of them counts is for somebody else to say.
  case unclear(String)
  /// Another version of this program wrote it.
  case otherVersion(String)

  /// The verdict on what both say; `identity` is the folder's, where its file is whole.
  init(database: CatalogReading, mirror: CatalogReading, identity: String? = nil) {
    switch (database, mirror) {
    case (_, .otherVersion(let words)): self = .otherVersion("\(CatalogMirror.fileName): \(words)")
    case (.content(let content), .content(let other)): self = Self.compare(content, other, identity)
    case (.content(let content), .missing):
      // Before the first change there was none.
      let damage = content.changes > 0 ? "it is not there" : nil
      self = Self.alone(.database(content, isMirrored: false, damage: damage), content, identity)
    case (.content(let content), .damaged(let words)):
      self = Self.alone(.database(content, isMirrored: false, damage: words), content, identity)
    case (.missing, .content(let content)):
      self = Self.alone(.mirror(content, reason: "it is not there"), content, identity)
    // A later version that changes the tables changes the mirror's version too.
    case (.damaged(let words), .content(let content)), (.otherVersion(let words), .content(let content)):
      self = Self.alone(.mirror(content, reason: words), content, identity)
    case (.otherVersion(let words), _): self = .otherVersion(words)
    case (.missing, .missing): self = .none
    case (.missing, .damaged(let words)):
      self = .lost("there is no \(CatalogPlace.fileName), and of \(CatalogMirror.fileName): \(words)")
    case (.damaged(let words), .missing): self = .lost(words)
    case (.damaged(let words), .damaged(let other)):
      self = .lost("\(words); and of \(CatalogMirror.fileName): \(other)")
    }
  }

  /// What holds for a copy without another, unless it is of another folder.
  private static func alone(
    _ verdict: CatalogVerdict, _ content: CatalogContent, _ identity: String?
  ) -> CatalogVerdict {
    guard let identity, let own = content.settings[.folderID], own != identity else { return verdict }
    return .unclear("the catalog is that of the folder \(own), and the file identity says that this is \(identity)")
  }

  private static func compare(
    _ content: CatalogContent, _ mirror: CatalogContent, _ identity: String?
  ) -> CatalogVerdict {
    // One in which nothing was ever set was just made, in place of one that is gone.
    guard content.settings[.layoutVersion] != nil || mirror.settings[.layoutVersion] == nil else {
      return alone(.mirror(mirror, reason: "it is blank"), mirror, identity)
    }
    if let other = mirror.settings[.folderID], other != content.settings[.folderID] {
      if identity == content.settings[.folderID] {
        return .database(content, isMirrored: false, damage: "it belongs to another folder")
      }
      if identity == other { return .mirror(mirror, reason: "it belongs to another folder") }
      return .unclear("\(CatalogPlace.fileName) and \(CatalogMirror.fileName) belong to different folders")
    }
    // Tables without a count of changes are those of an older version.
    guard content.changes > 0 || mirror.changes == 0 else {
      return .unclear(
        "\(CatalogPlace.fileName) was written by an older version of this program, and \(CatalogMirror.fileName) by "
          + "this one: whichever is newer counts, move the other away")
    }
    guard mirror.changes <= content.changes else {
      let missing = mirror.changes - content.changes
      let words = "its last \(missing == 1 ? "change is" : "\(missing) changes are") gone"
      return alone(.mirror(mirror, reason: words), mirror, identity)
    }
    // A crash between the two leaves it one change behind.
    let lacking = content.changes - mirror.changes
    let damage = lacking > 1 ? "it lacks the last \(lacking) changes" : nil
    return alone(.database(content, isMirrored: content == mirror, damage: damage), content, identity)
  }
}
