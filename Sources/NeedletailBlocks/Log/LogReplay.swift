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
  }

  init(fileSystem: any FileSystem, folder: String, seal: LogSeal) {
    self.fileSystem = fileSystem
    self.folder = folder
    self.seal = seal
  }

  /// Replays everything after the flushed generations.
  ///
  /// `deliver` may refuse a record; it is then reported as damaged.
  func run(
    flushedThrough: UInt64, deliver: (LogRecordKind, UnsafeRawBufferPointer) throws -> Void
  ) throws(FileError) -> Outcome {
    let inventory = try LogInventory.read(folder, flushedThrough: flushedThrough, seal, on: fileSystem)
    let verdict = LogVerdict(inventory)
    var outcome = Outcome(last: verdict.last, lastSegment: inventory.segments.last)
    outcome.report.damages = verdict.damages
    try cut(verdict, &outcome.report)
    for step in verdict.steps { try replay(step, &outcome.report, deliver) }
    return outcome
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

  private func replay(
    _ step: LogRun, _ report: inout ReplayReport, _ deliver: (LogRecordKind, UnsafeRawBufferPointer) throws -> Void
  ) throws(FileError) {
    var scanner = try LogScanner(folder + "/" + step.segment.fileName, segment: step.segment, seal, on: fileSystem)
    defer { scanner.close() }
    scanner.seek(to: step.range.lowerBound)
    var isDone = false
    while !isDone {
      let result = try scanner.next { header, range, payload in
        isDone = range.upperBound >= step.range.upperBound
        guard header.kind != LogFormat.marker, step.sequences.contains(header.sequence) else { return }
        do {
          try deliver(LogRecordKind(rawValue: header.kind), payload)
          report.records += 1
          report.bytes += UInt64(payload.count)
        } catch {
          report.damages.append(
            LogDamage(segment: step.segment, range: range, sequences: header.sequence...header.sequence))
          if report.refusals.count < 100 {
            report.refusals.append("record \(header.sequence) in \(step.segment): \(error)")
          }
        }
      }
      // The file was whole when it was read a moment ago; if that changed, the rest of the run is lost.
      guard case .record = result else {
        if case .damage(let range) = result {
          report.damages.append(LogDamage(segment: step.segment, range: range, sequences: step.sequences))
        }
        return
      }
    }
  }
}
