import NeedletailEnvironment

/// Replays a log: reads it all, cuts a torn tail, and hands every record over, once, in order.
///
/// What is to be done with a record can depend on any later byte: only when all is read is it known what was durable,
/// what stands elsewhere once more, and where the torn tail begins. But not as long as number follows number from the
/// start of the first file and nothing was damaged: what lies behind changes nothing about these records, and they are
/// handed over at once. Mostly that is all of them, and the log is read once.
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
    /// Segments of which nothing can be read, to be moved to `quarantine/` once that is noted.
    var strangers: [LogSegmentID] = []
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

  /// Takes a record of a kind that it knows.
  typealias Receiver = (LogRecordKind, UnsafeRawBufferPointer) throws -> Void

  /// Replays everything after the flushed generations.
  ///
  /// `deliver` may refuse a record; it is then reported as damaged, and the segment's file gets a second name, so that
  /// the record is not lost when the next flush removes the segment. Ends early at a record that is none of `kinds`.
  func run(
    flushedThrough: UInt64, kinds: Set<LogRecordKind>, deliver: Receiver
  ) throws(FileError) -> Outcome {
    var delivery = LogDelivery(kinds: kinds)
    // The numbers that were handed over before all was read; nil while none can be.
    var done: Range<UInt64>?
    var isPlain = true
    let inventory = try LogInventory.read(
      folder, flushedThrough: flushedThrough, seal, on: fileSystem, removingFlushed: true
    ) { sight in
      guard isPlain else { return }
      switch sight {
      case .segment(let header):
        if done == nil { done = header.map { $0.firstSequence..<$0.firstSequence } }
        isPlain = done != nil
      case .record(let header, let segment, let range, let payload):
        guard let numbers = done, header.sequence == numbers.upperBound, header.sequence < .max else {
          isPlain = false
          return
        }
        delivery.hand(header, segment, range, payload, to: deliver)
        done = numbers.lowerBound..<header.sequence + 1
        isPlain = delivery.unknownKind == nil
      case .damage:
        isPlain = false
      }
    }
    let verdict = LogVerdict(inventory)
    var outcome = Outcome(last: verdict.last, lastSegment: inventory.segments.last)
    outcome.report.damages = verdict.damages
    try cut(verdict, &outcome.report)
    outcome.strangers = inventory.strangers.keys.sorted()
    for step in verdict.steps {
      for step in step.without(done ?? 0..<0) where delivery.unknownKind == nil {
        try replay(step, &delivery, deliver)
      }
    }
    for segment in delivery.refused.sorted() { try keep(segment) }
    delivery.conclude(&outcome)
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

  /// Reads one run again and hands it over.
  private func replay(_ step: LogRun, _ delivery: inout LogDelivery, _ deliver: Receiver) throws(FileError) {
    var scanner = try LogScanner(folder + "/" + step.segment.fileName, segment: step.segment, seal, on: fileSystem)
    defer { scanner.close() }
    scanner.seek(to: step.range.lowerBound)
    var isDone = false
    while !isDone {
      let result = try scanner.next { header, range, payload in
        isDone = range.upperBound >= step.range.upperBound
        guard header.kind != LogFormat.marker, step.sequences.contains(header.sequence) else { return }
        delivery.hand(header, step.segment, range, payload, to: deliver)
        if delivery.unknownKind != nil { isDone = true }
      }
      // The file was whole when it was read a moment ago; if that changed, the rest of the run is lost.
      guard case .record = result else {
        if case .damage(let range) = result {
          delivery.damages.append(LogDamage(segment: step.segment, range: range, sequences: step.sequences))
        }
        return
      }
    }
  }
}

extension LogRun {
  /// The run without these numbers; its range stays.
  fileprivate func without(_ numbers: Range<UInt64>) -> [LogRun] {
    guard !numbers.isEmpty, numbers.overlaps(sequences) else { return [self] }
    var left: [LogRun] = []
    if sequences.lowerBound < numbers.lowerBound {
      left.append(LogRun(segment: segment, range: range, sequences: sequences.lowerBound...numbers.lowerBound - 1))
    }
    if sequences.upperBound >= numbers.upperBound {
      left.append(LogRun(segment: segment, range: range, sequences: numbers.upperBound...sequences.upperBound))
    }
    return left
  }
}
