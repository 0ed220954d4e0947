/// One thing that a repair does.
package enum StorageRepairStep: Sendable, Equatable, CustomStringConvertible {
  /// A catalog that cannot be read is moved to `quarantine/` and one made of the parts' own headers takes its place.
  case rebuildCatalog(
    reason: String, identity: FolderIdentity, parts: [PartRecord], tombstones: [PartTombstone], flushedThrough: UInt64?)
  /// Of `catalog.sqlite` and its mirror the one that is damaged, or lacks something, is made anew from the other.
  case mendCatalog(damage: StorageDamage)
  /// A file of what is deleted of a part that is damaged, or lacks something, is moved to `quarantine/`, and written anew
  /// where the catalog knows it.
  case writeDeletions(PartID, NotedDeletions)
  /// The identity is written beside the catalog, from which a lost catalog can be rebuilt.
  case writeIdentity(FolderIdentity)
  /// A part that cannot be opened is moved to `quarantine/` and taken out of the catalog.
  case quarantinePart(PartID, reason: String)
  /// The log, which cannot be read without the folder's identity, is moved to `quarantine/`.
  case quarantineLog(segments: [LogSegmentID])
  /// Losses of the log that a start noted are known to whoever repairs: answers need not tell of them any more.
  case forgetLosses([LogDamage])
  /// A part that the catalog does not list, and that was committed or nearly, is moved to `quarantine/`.
  case setAside(PartID)
  /// A file with records that an engine did not take is moved to `quarantine/`.
  case quarantineRefused(name: String)
  /// What no catalog lists is removed.
  case removeLeftover(name: String)

  package var description: String {
    switch self {
    case .rebuildCatalog(let reason, let identity, let parts, let tombstones, _):
      "catalog.sqlite (\(reason)): make it anew from the headers of " + Counted.text(parts.count, "part") + " and "
        + Counted.text(tombstones.count, "deletion") + " beside them, identity \(identity.id), \(identity.slotCount) "
        + "slots; what is left of the old one goes to quarantine/"
    case .mendCatalog(let damage):
      "\(damage.path) (\(damage.reason)): make it anew"
        + (damage.path == CatalogPlace.fileName ? "; what is left of the old one goes to quarantine/" : "")
    case .writeDeletions(let id, let noted):
      "parts/\(id)/\(PartDeletionsFile.fileName): move what is there to quarantine/"
        + (noted.contents.isEmpty ? "" : ", and write it from the catalog")
    case .writeIdentity: "identity: write it from the catalog"
    case .quarantinePart(let id, let reason):
      "parts/\(id): move it to quarantine/ and take it out of the catalog (\(reason))"
    case .quarantineLog(let segments):
      "log/: move its " + Counted.text(segments.count, "file") + " to quarantine/"
    case .forgetLosses(let damages):
      "take note that " + damages.map(\.loss).joined(separator: "; ") + ": answers do not say so any more"
    case .setAside(let id):
      "parts/\(id), which the catalog does not list and which has a header: move it to quarantine/. It may be the only copy of "
        + "what it holds if the catalog is an old one"
    case .quarantineRefused(let name):
      "log/\(name), records that could not be taken in: move it to quarantine/"
    case .removeLeftover(let name): "parts/\(name): remove it, no catalog lists it"
    }
  }
}

/// What a repair would do, and what it could not.
package struct StorageRepairPlan: Sendable, Equatable {
  /// In this order.
  package var steps: [StorageRepairStep] = []
  /// What cannot be known or brought back.
  package var remarks: [String] = []

  /// The plan for a folder of which this is known.
  ///
  /// `freshID` becomes the identity of a folder that has lost its own.
  package init(
    _ survey: StorageSurvey, _ verification: StorageVerification, freshID: String, removesLeftovers: Bool
  ) {
    if survey.isOfOtherVersion {
      remarks.append("this version of the program repairs nothing here: \(survey.catalogProblem ?? "")")
      return
    }
    guard !survey.isUnclear else {
      remarks.append(
        "\(survey.catalogProblem ?? ""): put the right one back, or move the wrong one away, and repair again then")
      return
    }
    // Before all that changes the catalog.
    for damage in survey.catalogDamages { steps.append(.mendCatalog(damage: damage)) }
    var lost: [PartID: String] = [:]
    for damage in verification.damages where damage.losesPart {
      if let part = damage.part, lost[part] == nil { lost[part] = damage.description }
    }
    for (id, reason) in lost.sorted(by: { $0.key < $1.key }) { steps.append(.quarantinePart(id, reason: reason)) }
    let deletions = "/" + PartDeletionsFile.fileName
    let partly = Set(verification.damages.filter { !$0.path.hasSuffix(deletions) }.compactMap(\.part))
      .subtracting(lost.keys).sorted()
    if !partly.isEmpty {
      remarks.append(
        "these parts have damaged blocks and stay, because the rest of them is served: "
          + partly.map(\.folderName).joined(separator: ", "))
    }
    if !survey.log.damages.isEmpty {
      remarks.append("damaged ranges of the log cannot be repaired here; a server reads what is around them")
    }
    keepOrRemove(survey, removesLeftovers)
    // After all that it depends on: the start of a server removes what a catalog does not list, and refuses a folder
    // without one.
    if let problem = survey.catalogProblem {
      rebuild(survey, problem, freshID: freshID, lost: Set(lost.keys))
    } else if let identity = survey.identity, !survey.hasIdentityFile {
      steps.append(.writeIdentity(identity))
    }
    takeNote(survey)
    // After the catalog is there: were they moved before, a repair that is begun again would not miss them.
    mendDeletions(
      survey, of: (survey.damagedDeletions + survey.forgottenDeletions).sorted().filter { lost[$0] == nil })
  }

  /// Of losses whose file is gone: what is still in the log the next start would find damaged once more.
  private mutating func takeNote(_ survey: StorageSurvey) {
    guard survey.catalogProblem == nil else { return }
    let segments = Set(survey.log.segments.map(\.segment))
    let losses = survey.notedDamages
    let gone = losses.filter { !segments.contains($0.segment) }
    if !gone.isEmpty { steps.append(.forgetLosses(gone)) }
    for name in survey.log.others where name.hasSuffix(LogReplay.refusedSuffix) {
      let file = LogSegmentID(fileName: String(name.dropLast(LogReplay.refusedSuffix.count)))
      if let file, !segments.contains(file) { steps.append(.quarantineRefused(name: name)) }
    }
    let present = losses.filter { segments.contains($0.segment) }
    guard !present.isEmpty else { return }
    remarks.append(
      present.map(\.loss).joined(separator: "; ")
        + ": answers say so until the next flush of a server and a repair after it")
  }

  private mutating func mendDeletions(_ survey: StorageSurvey, of damaged: [PartID]) {
    guard !damaged.isEmpty else { return }
    let known = survey.catalogProblem == nil ? survey.deletions : [:]
    for id in damaged {
      let noted = NotedDeletions(contents: known[id] ?? [], flushedThrough: survey.flushedThrough ?? 0)
      steps.append(.writeDeletions(id, noted.contents.isEmpty ? NotedDeletions() : noted))
    }
    let unknown = damaged.filter { known[$0] == nil }.map(\.folderName).joined(separator: ", ")
    guard !unknown.isEmpty else { return }
    remarks.append(
      survey.catalogProblem == nil
        ? "the catalog knows of nothing that is deleted from these parts; should a repair have made it, what was deleted "
          + "from them is there again: \(unknown)"
        : "what was deleted from these parts, and not yet left out of them, is there again: \(unknown)")
  }

  private mutating func rebuild(
    _ survey: StorageSurvey, _ problem: String, freshID: String, lost: Set<PartID>
  ) {
    let identity = survey.identity ?? FolderIdentity(id: freshID, slotCount: Self.usualSlotCount)
    let parts = survey.parts.filter { !lost.contains($0.id) }
    let tombstones = Self.tombstones(survey, of: parts.map(\.id))
    defer {
      steps.append(
        .rebuildCatalog(
          reason: problem, identity: identity, parts: parts, tombstones: tombstones,
          flushedThrough: survey.flushedThrough))
    }
    let known = survey.flushedThrough.map { " but for what a deletion noted, up to \($0)" } ?? ""
    remarks.append(
      "which generations of the log are in parts is not known\(known): all others are read back, and what is there "
        + "twice counts once")
    remarks.append(
      "parts that a merge or the retention had removed from the catalog, and whose header is still there, come back")
    guard survey.identity == nil else { return }
    remarks.append(
      "the folder's identity is lost, a new one takes its place; its number of slots is taken to be "
        + "\(Self.usualSlotCount)")
    if !survey.log.segments.isEmpty {
      steps.append(.quarantineLog(segments: survey.log.segments.map(\.segment)))
      remarks.append("what was acknowledged and is in no part yet cannot be read without the old identity")
    }
  }

  private static func tombstones(_ survey: StorageSurvey, of parts: [PartID]) -> [PartTombstone] {
    parts.flatMap { id in
      (survey.deletions[id] ?? []).map { PartTombstone(part: id, content: $0) }
        .sorted { $0.content.lexicographicallyPrecedes($1.content) }
    }
  }

  private mutating func keepOrRemove(_ survey: StorageSurvey, _ removesLeftovers: Bool) {
    // Without a catalog nothing tells what is left over: a folder whose header is damaged may be the only copy.
    if survey.catalogProblem != nil {
      for name in survey.leftovers {
        guard let id = PartID(folderName: name) else { continue }
        steps.append(.quarantinePart(id, reason: "it has no header that can be read"))
      }
      return
    }
    for id in survey.unlisted { steps.append(.setAside(id)) }
    for name in survey.leftovers where removesLeftovers { steps.append(.removeLeftover(name: name)) }
    if !removesLeftovers, !survey.leftovers.isEmpty {
      remarks.append(
        "the catalog does not list \(survey.leftovers.map { "parts/" + $0 }.joined(separator: ", ")): the next start "
          + "of a server removes that, or --remove-leftovers now")
    }
  }

  /// What a folder has unless it was told otherwise when it was made.
  static let usualSlotCount = 1024
}
