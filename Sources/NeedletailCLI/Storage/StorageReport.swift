import NeedletailBlocks
import NeedletailDashboard
import NeedletailTerminal

/// What the tools found in a data folder, for people and for programs.
struct StorageReport {
  let survey: StorageSurvey
  let isInUse: Bool

  /// Parts of one kind, day and level.
  private struct Group {
    var kind: PartKind
    var day: Int64
    var level: UInt32
    var parts = 0
    var rows: UInt64 = 0
    var groups: UInt64 = 0
    var bytes: UInt64 = 0
  }

  private var groups: [Group] {
    var groups: [Group] = []
    let parts = survey.parts.sorted {
      ($0.summary.kind, $0.summary.partition, $0.summary.level, $0.id)
        < ($1.summary.kind, $1.summary.partition, $1.summary.level, $1.id)
    }
    for record in parts {
      let summary = record.summary
      if let last = groups.last, last.kind == summary.kind, last.day == summary.partition, last.level == summary.level {
      } else {
        groups.append(Group(kind: summary.kind, day: summary.partition, level: summary.level))
      }
      groups[groups.count - 1].parts += 1
      groups[groups.count - 1].rows &+= summary.rows
      groups[groups.count - 1].groups &+= summary.groups
      groups[groups.count - 1].bytes &+= record.bytes
    }
    return groups
  }

  // MARK: For people

  func table(columns: Int) -> [StyledText] {
    var lines = [
      Self.line("folder", survey.path + (isInUse ? " (another process has it open)" : "")),
      Self.line("identity", survey.identity.map { "\($0.id), \($0.slotCount) slots" } ?? "unknown"),
      Self.line("catalog", survey.catalogProblem ?? Counted.text(survey.parts.count, "part")),
    ]
    let rows = groups.map { group in
      [
        Self.name(group.kind), Self.date(group.day), "\(group.level)", "\(group.parts)", "\(group.rows)",
        "\(group.groups)", Quantity.text(Double(group.bytes), .bytes), Self.perRow(group.bytes, group.rows),
      ].map { StyledText(TerminalText($0)) }
    }
    if !rows.isEmpty {
      let titles: [Table.Column] = [
        .init("KIND"), .init("DAY"), .init("LEVEL", .right), .init("PARTS", .right), .init("ROWS", .right),
        .init("GROUPS", .right), .init("BYTES", .right), .init("A ROW", .right),
      ]
      lines += [StyledText("")] + Table(columns: titles, rows: rows).lines(within: columns) + [StyledText("")]
    }
    for damage in survey.catalogDamages { lines.append(Self.line("damage", damage.description)) }
    lines += logLines()
    for (title, names) in [
      ("not listed", (survey.unlisted.map(\.folderName) + survey.leftovers).map { "parts/" + $0 }),
      ("quarantine", survey.quarantined),
      ("snapshots", survey.snapshots), ("not of the log", survey.log.others.map { "log/" + $0 }),
    ] where !names.isEmpty {
      lines.append(Self.line(title, names.joined(separator: ", ")))
    }
    return lines
  }

  private func logLines() -> [StyledText] {
    let segments = survey.log.segments
    let generations = Set(segments.map(\.segment.generation)).count
    let bytes = segments.reduce(0) { $0 &+ $1.bytes }
    let records = segments.reduce(0) { $0 &+ ($1.records ?? 0) }
    var lines = [
      Self.line(
        "log",
        Counted.text(generations, "generation") + ", " + Counted.text(segments.count, "file") + ", "
          + Counted.text(records, "record") + " in no part, "
          + Quantity.text(Double(bytes), .bytes))
    ]
    for damage in survey.log.damages {
      lines.append(Self.line("log damage", "\(damage.segment.fileName) bytes \(damage.range)"))
    }
    for (segment, offset) in survey.log.tornTails.sorted(by: { $0.key < $1.key }) {
      lines.append(
        Self.line("log tail", "\(segment.fileName) ends at byte \(offset) in a write that was never acknowledged"))
    }
    for damage in survey.notedDamages {
      lines.append(Self.line("noted damage", "\(damage.segment.fileName) bytes \(damage.range)"))
    }
    return lines
  }

  private static func line(_ title: String, _ text: String) -> StyledText {
    var line = StyledText(TerminalText(title + String(repeating: " ", count: max(1, 15 - title.count))), .heading)
    line.append(TerminalText(text, limit: 4_000))
    return line
  }

  static func name(_ kind: PartKind) -> String {
    switch kind {
    case .series: "metrics"
    case .logs: "logs"
    case .spans: "spans"
    }
  }

  /// The date of a day counted from 1970.
  static func date(_ day: Int64) -> String {
    let (nanoseconds, overflow) = day.multipliedReportingOverflow(by: 86_400_000_000_000)
    return overflow ? "day \(day)" : String(TimeText.full(nanoseconds: nanoseconds, .utc).prefix(10))
  }

  private static func perRow(_ bytes: UInt64, _ rows: UInt64) -> String {
    rows == 0 ? "-" : Quantity.fixed(Double(bytes) / Double(rows), decimals: 2)
  }

  /// The last line of a verification.
  static func conclusion(_ verification: StorageVerification) -> TerminalText {
    let read =
      Counted.text(verification.parts, "part") + " with " + Counted.text(verification.blocks, "whole block") + ", "
      + Counted.text(verification.records, "record") + " of the log"
    return TerminalText(
      verification.damages.isEmpty
        ? "every checksum holds: \(read)" : Counted.text(verification.damages.count, "damage") + "; read: \(read)")
  }

  // MARK: For programs

  var json: JSON {
    let parts = survey.parts.map { record in
      JSON.object([
        "id": .string(record.id.folderName), "kind": .string(Self.name(record.summary.kind)),
        "day": .string(Self.date(record.summary.partition)), "level": Self.number(record.summary.level),
        "format": Self.number(record.summary.format), "rows": Self.number(record.summary.rows),
        "groups": Self.number(record.summary.groups), "bytes": Self.number(record.bytes),
      ])
    }
    let segments = survey.log.segments.map { segment in
      JSON.object([
        "file": .string(segment.segment.fileName), "generation": Self.number(segment.segment.generation),
        "bytes": Self.number(segment.bytes), "records": segment.records.map { Self.number($0) } ?? .null,
        "flushed": .bool(segment.isFlushed),
      ])
    }
    return .object([
      "folder": .string(survey.path), "inUse": .bool(isInUse),
      "id": survey.identity.map { .string($0.id) } ?? .null,
      "slots": survey.identity.map { Self.number($0.slotCount) } ?? .null,
      "catalogProblem": survey.catalogProblem.map { .string($0) } ?? .null,
      "catalogDamages": Self.strings(survey.catalogDamages.map(\.description)), "parts": .array(parts),
      "log": .array(segments), "logDamages": .array(survey.log.damages.map(Self.json)),
      "notedDamages": .array(survey.notedDamages.map(Self.json)),
      "notListed": Self.strings(survey.unlisted.map(\.folderName) + survey.leftovers),
      "quarantine": Self.strings(survey.quarantined), "snapshots": Self.strings(survey.snapshots),
    ])
  }

  static func json(_ verification: StorageVerification, losses: [String]) -> JSON {
    let damages = verification.damages.map { damage in
      JSON.object([
        "path": .string(damage.path), "offset": damage.offset.map { number($0) } ?? .null,
        "reason": .string(damage.reason), "part": damage.part.map { .string($0.folderName) } ?? .null,
        "losesPart": .bool(damage.losesPart),
      ])
    }
    return .object([
      "damages": .array(damages), "parts": number(verification.parts), "blocks": number(verification.blocks),
      "logRecords": number(verification.records), "losses": strings(losses),
    ])
  }

  static func json(_ plan: StorageRepairPlan, isDone: Bool) -> JSON {
    .object([
      "steps": strings(plan.steps.map(\.description)), "notes": strings(plan.remarks), "dryRun": .bool(!isDone),
    ])
  }

  private static func json(_ damage: LogDamage) -> JSON {
    .object([
      "file": .string(damage.segment.fileName), "start": number(damage.range.lowerBound),
      "end": number(damage.range.upperBound),
    ])
  }

  private static func number(_ value: some BinaryInteger) -> JSON { .number("\(value)") }

  private static func strings(_ texts: [String]) -> JSON { .array(texts.map { .string($0) }) }
}
