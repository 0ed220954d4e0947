import NeedletailEnvironment

/// Replays a log: reads it all once to know what is there, cuts a torn tail, and hands every record over, once, in
/// order.
struct LogReplay {
  private let fileSystem: any FileSystem
  private let folder: String
  private let seal: LogSeal

  /// What a replay leads to.
  struct Outcome {
    var report = ReplayReport()
    /// The number of the last record that there is or was.
    var last: UInt64 = 0
    /// The last segment, whose name must not be used again.
    var lastSegment: LogSegmentID?
    /// The first record that nobody knows how to replay; nothing was replayed from there on.
    var unknownKind: (segment: LogSegmentID, kind: LogRecordKind)?
  }

  /// What is added to the name of a segment of which a record was refused: under that name it stays.
  static let refusedSuffix = ".refused"

  init(fileSystem: any FileSystem, folder: String, seal: LogSeal) {
    self.fileSystem = fileSystem
    self.folder = folder
    self.seal = seal
  }

  /// Replays everything after the flushed generations.
  ///
  /// `deliver` may refuse a record; it is then reported as damaged, and the segment's file gets a second name, so that
  /// the record is not lost when the next flush removes the segment. Ends early at a record that is none of `kinds`.
  func run(
    flushedThrough: UInt64, kinds: Set<LogRecordKind>, deliver: (LogRecordKind, UnsafeRawBufferPointer) throws -> Void
  ) throws(FileError) -> Outcome {
    let inventory = try LogInventory.read(
      folder, flushedThrough: flushedThrough, seal, on: fileSystem, removingFlushed: true)
    let verdict = LogVerdict(inventory)
    var outcome = Outcome(last: verdict.last, lastSegment: inventory.segments.last)
    outcome.report.damages = verdict.damages
    try cut(verdict, &outcome.report)
    for step in verdict.steps where outcome.unknownKind == nil {
      let refusals = try replay(step, kinds, &outcome, deliver)
      if refusals > 0 { try keep(step.segment) }
    }
    return outcome
  }

  /// Gives a segment a second name that no flush removes.
  private func keep(_ segment: LogSegmentID) throws(FileError) {
    let path = folder + "/" + segment.fileName
    do throws(FileError) {
      try fileSystem.link(path, to: path + Self.refusedSuffix)
    } catch {
      // An earlier start kept it already.
      guard error.code == .exists else { throw error }
    }
    try fileSystem.syncDirectory(folder)
  }

  private func cut(_ verdict: LogVerdict, _ report: inout ReplayReport) throws(FileError) {
    for (segment, offset) in verdict.cuts.sorted(by: { $0.key < $1.key }) {
      let file = try fileSystem.open(folder + "/" + segment.fileName, .readWrite)
      defer { file.close() }
      let size = try file.size()
      try file.truncate(to: offset)
      try file.sync()
      report.tornTail = (segment, at: offset, bytes: size - min(size, offset))
    }
  }

  /// Replays one run; returns how many of its records were refused.
  private func replay(
    _ step: LogRun, _ kinds: Set<LogRecordKind>, _ outcome: inout Outcome,
    _ deliver: (LogRecordKind, UnsafeRawBufferPointer) throws -> Void
  ) throws(FileError) -> Int {
    var scanner = try LogScanner(folder + "/" + step.segment.fileName, segment: step.segment, seal, on: fileSystem)
    defer { scanner.close() }
    scanner.seek(to: step.range.lowerBound)
    var isDone = false
    var refusals = 0
    while !isDone {
      let result = try scanner.next { header, range, payload in
        isDone = range.upperBound >= step.range.upperBound
        guard header.kind != LogFormat.marker, step.sequences.contains(header.sequence) else { return }
        let kind = LogRecordKind(rawValue: header.kind)
        guard kinds.contains(kind) else {
          outcome.unknownKind = (step.segment, kind)
          isDone = true
          return
        }
        do {
          try deliver(kind, payload)
          outcome.report.records += 1
          outcome.report.bytes += UInt64(payload.count)
        } catch {
          refusals += 1
          outcome.report.damages.append(
            LogDamage(segment: step.segment, range: range, sequences: header.sequence...header.sequence))
          if outcome.report.refusals.count < 100 {
            outcome.report.refusals.append("record \(header.sequence) in \(step.segment): \(error)")
          }
        }
      }
      // The file was whole when it was read a moment ago; if that changed, the rest of the run is lost.
      guard case .record = result else {
        if case .damage(let range) = result {
          outcome.report.damages.append(LogDamage(segment: step.segment, range: range, sequences: step.sequences))
        }
        return refusals
      }
    }
    return refusals
  }
}
