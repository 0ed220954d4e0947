// What a log holds, found by reading all of it once. A record may be there twice (a file that failed was given up and
// its unacknowledged records were written again), a file may end in the middle of a write, and any byte may be rotten.
// All of that is one question: for each number from the first to the last, is there a whole record anywhere, and if
// not, was it ever durable?

import NeedletailEnvironment

/// Records with consecutive numbers that lie behind each other in one file.
struct LogRun: Equatable {
  var segment: LogSegmentID
  var range: Range<UInt64>
  var sequences: ClosedRange<UInt64>
}

/// Bytes of a segment that are no record, and the numbers of the records around them in that file.
struct LogHole: Equatable {
  var segment: LogSegmentID
  var range: Range<UInt64>
  var before: UInt64?
  var after: UInt64?
}

/// All segments of a log, read and verified.
struct LogInventory {
  /// The segments, in order.
  var segments: [LogSegmentID] = []
  var runs: [LogRun] = []
  var holes: [LogHole] = []
  /// The number of the first record that the log should have.
  var firstSequence: UInt64?
  /// Segments of which nothing can be read with this folder's seal: another folder's, or damaged all over. They are not
  /// what a crash leaves, and nothing tells what they hold.
  var strangers: [LogSegmentID: UInt64] = [:]
  /// Everything up to here was durable once.
  var durable: UInt64 = 0

  /// What is met in the files, as it is read.
  enum Sight {
    /// A segment begins; its header, when it is whole.
    case segment(LogSegmentHeader?)
    /// A whole record that is no marker, its place and its payload, which is valid only during the call.
    case record(LogRecordHeader, LogSegmentID, Range<UInt64>, UnsafeRawBufferPointer)
    /// Bytes that are no whole record.
    case damage
  }

  /// Reads all segments after the flushed generations, which it removes where it is told to; `visit` is told what there
  /// is, in the order of the files.
  static func read(
    _ folder: String, flushedThrough: UInt64, _ seal: LogSeal, on fileSystem: any FileSystem, removingFlushed: Bool,
    visit: (Sight) -> Void = { _ in }
  ) throws(FileError) -> LogInventory {
    var inventory = LogInventory()
    for entry in try fileSystem.list(folder) {
      guard entry.kind == .file, let segment = LogSegmentID(fileName: entry.name) else { continue }
      if segment.generation <= flushedThrough {
        if removingFlushed { try? fileSystem.remove(folder + "/" + entry.name) }
      } else {
        inventory.segments.append(segment)
      }
    }
    inventory.segments.sort()
    for segment in inventory.segments {
      var scanner = try LogScanner(folder + "/" + segment.fileName, segment: segment, seal, on: fileSystem)
      defer { scanner.close() }
      try inventory.read(&scanner, of: segment, visit)
    }
    return inventory
  }

  /// Takes in that a segment begins with this number.
  private mutating func begin(_ sequence: UInt64) {
    firstSequence = min(firstSequence ?? sequence, sequence)
    durable = max(durable, sequence &- 1)
  }

  private mutating func read(
    _ scanner: inout LogScanner, of segment: LogSegmentID, _ visit: (Sight) -> Void
  ) throws(FileError) {
    visit(.segment(scanner.header))
    if let header = scanner.header { begin(header.firstSequence) }
    var run: LogRun?
    var hole: LogHole?
    var isReadable = scanner.header != nil
    reading: while true {
      let step = try scanner.next { header, range, payload in
        isReadable = true
        if header.kind != LogFormat.marker { visit(.record(header, segment, range, payload)) }
      }
      switch step {
      case .end:
        break reading
      case .damage(let range):
        visit(.damage)
        if let done = run { runs.append(done) }
        let before = run?.sequences.upperBound ?? hole?.before
        hole = LogHole(
          segment: segment, range: (hole?.range.lowerBound ?? range.lowerBound)..<range.upperBound, before: before)
        run = nil
      case .record(let header, let range) where header.kind == LogFormat.marker:
        durable = max(durable, header.sequence)
        // A segment begins when all before it is durable: its first marker repeats what its header says.
        if range.lowerBound == UInt64(LogFormat.segmentHeaderBytes) { begin(header.sequence &+ 1) }
      case .record(let header, let range):
        if var whole = hole {
          whole.after = header.sequence
          holes.append(whole)
          hole = nil
        }
        if var longer = run, longer.sequences.upperBound &+ 1 == header.sequence {
          longer.sequences = longer.sequences.lowerBound...header.sequence
          longer.range = longer.range.lowerBound..<range.upperBound
          run = longer
        } else {
          if let done = run { runs.append(done) }
          run = LogRun(segment: segment, range: range, sequences: header.sequence...header.sequence)
        }
      }
    }
    if !isReadable, scanner.isSegment, scanner.size > UInt64(LogFormat.segmentHeaderBytes) {
      strangers[segment] = scanner.size
    }
    if let run { runs.append(run) }
    if let hole { holes.append(hole) }
  }
}

/// What an inventory means: what to replay, what is missing, where to cut.
struct LogVerdict: Equatable {
  /// What to replay, in order; the numbers are those of the run that no earlier step replayed.
  var steps: [LogRun] = []
  /// What was durable once and is no more.
  var damages: [LogDamage] = []
  /// The last number that was replayed or was durable; the next record gets the one after it.
  var last: UInt64 = 0
  /// Where the files end from now on: behind it are only records that were never acknowledged.
  var cuts: [LogSegmentID: UInt64] = [:]

  init(_ inventory: LogInventory) {
    let runs = inventory.runs.sorted {
      ($0.sequences.lowerBound, $0.segment, $0.range.lowerBound)
        < ($1.sequences.lowerBound, $1.segment, $1.range.lowerBound)
    }
    let first = inventory.firstSequence ?? runs.first?.sequences.lowerBound ?? (inventory.durable &+ 1)
    var next = min(first, runs.first?.sequences.lowerBound ?? first)
    for run in runs where run.sequences.upperBound >= next {
      if run.sequences.lowerBound > next {
        // Nothing has the numbers in between. Were they durable, they are damaged; so they are when whole records lie
        // behind them in the same file, which may have been acknowledged together with them; else here is the torn
        // tail.
        guard next <= inventory.durable || inventory.hasHole(of: next..<run.sequences.lowerBound, before: run) else {
          break
        }
        damages += Self.damages(missing: next...(run.sequences.lowerBound - 1), inventory)
      }
      steps.append(
        LogRun(
          segment: run.segment, range: run.range,
          sequences: max(next, run.sequences.lowerBound)...run.sequences.upperBound))
      next = run.sequences.upperBound &+ 1
    }
    if next <= inventory.durable {
      damages += Self.damages(missing: next...inventory.durable, inventory)
      next = inventory.durable &+ 1
    }
    last = next &- 1
    cut(inventory)
  }

  private mutating func cut(_ inventory: LogInventory) {
    for run in inventory.runs where run.sequences.lowerBound > last {
      cuts[run.segment] = min(cuts[run.segment] ?? .max, run.range.lowerBound)
    }
    for (segment, bytes) in inventory.strangers.sorted(by: { $0.key < $1.key })
    where !damages.contains(where: { $0.segment == segment }) {
      damages.append(LogDamage(segment: segment, range: 0..<bytes, sequences: nil))
    }
    for hole in inventory.holes where inventory.strangers[hole.segment] == nil {
      let isTail = hole.after == nil && hole.segment == inventory.segments.last
      let isBehindCut = cuts[hole.segment].map { hole.range.upperBound >= $0 } ?? false
      let isDamage = damages.contains { $0.segment == hole.segment && $0.range == hole.range }
      if isTail || isBehindCut, !isDamage {
        cuts[hole.segment] = min(cuts[hole.segment] ?? .max, hole.range.lowerBound)
      }
    }
  }

  /// The places where missing records were: the holes that may have held them, or the seam where they are not.
  private static func damages(missing: ClosedRange<UInt64>, _ inventory: LogInventory) -> [LogDamage] {
    var damages: [LogDamage] = []
    for hole in inventory.holes {
      let (above, below) = inventory.bounds(of: hole)
      let first = max(missing.lowerBound, above &+ 1)
      let last = min(missing.upperBound, below &- 1)
      guard above < missing.upperBound, below > missing.lowerBound, first <= last else { continue }
      damages.append(LogDamage(segment: hole.segment, range: hole.range, sequences: first...last))
    }
    if !damages.isEmpty { return damages }
    let before = inventory.runs.last { $0.sequences.upperBound < missing.lowerBound }
    let segment = before?.segment ?? inventory.segments.first ?? LogSegmentID(generation: 0, number: 0)
    let end = before?.range.upperBound ?? UInt64(LogFormat.segmentHeaderBytes)
    return [LogDamage(segment: segment, range: end..<end, sequences: missing)]
  }
}

extension LogInventory {
  /// Whether the file of `run` has a hole right before it that may have held these records.
  fileprivate func hasHole(of missing: Range<UInt64>, before run: LogRun) -> Bool {
    holes.contains { hole in
      let bytes = UInt64(hole.range.count)
      return hole.segment == run.segment && hole.after == run.sequences.lowerBound
        && hole.range.upperBound <= run.range.lowerBound
        && UInt64(missing.count) <= bytes / UInt64(LogFormat.recordHeaderBytes)
    }
  }

  /// The nearest numbers around a hole, both exclusive, looked up in the neighbouring files where its own has none.
  fileprivate func bounds(of hole: LogHole) -> (above: UInt64, below: UInt64) {
    var above = hole.before ?? 0
    var below = hole.after ?? .max
    for run in runs {
      if hole.before == nil, run.segment < hole.segment { above = max(above, run.sequences.upperBound) }
      if hole.after == nil, run.segment > hole.segment { below = min(below, run.sequences.lowerBound) }
    }
    return (above, below)
  }
}
