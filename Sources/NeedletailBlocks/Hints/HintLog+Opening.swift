import NeedletailEnvironment
import NeedletailTelemetry

extension HintLog {
  /// What was found wrong when a log was opened.
  package struct Findings: Equatable, Sendable {
    /// Ranges that are not what was written, by file: what they held is not known.
    package var damages: [String] = []
    /// Bytes at the end that were not written to their end, and were never promised.
    package var tornBytes: UInt64 = 0
  }

  /// Opens the hints for a node in `folder`, or makes it; its parent must exist.
  ///
  /// `body` is called with every hint that is there, ascending by number, and lent its payload. Where something is
  /// damaged, it is noted, durably, that the node misses something in slots that nobody knows, before what is left of it
  /// is removed. Holds one hint in memory at a time.
  package static func open(
    _ folder: String, for node: String, on fileSystem: any FileSystem, limits: HintLogLimits = HintLogLimits(),
    _ body: (_ sequence: UInt64, _ time: Int64, _ payload: UnsafeRawBufferPointer) -> Void = { _, _, _ in }
  ) throws(FileError) -> (log: HintLog, findings: Findings) {
    let isNew = try fileSystem.status(folder) == nil
    try fileSystem.createDirectory(folder)
    if isNew { try fileSystem.syncDirectory(String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])) }
    let seal = LogSeal(salt: Checksum.of(Array(node.utf8)))
    var reading = Reading(folder, seal, fileSystem)
    try reading.run(body)
    var state = State()
    state.segments = reading.segments
    state.nextNumber = reading.nextNumber
    let note = try readNote(folder, seed: seal.seed(generation: generation), on: fileSystem)
    state.note = note ?? HintNote()
    let log = HintLog(folder, fileSystem, seal, limits, state)
    if note == nil { reading.findings.damages.append("\(folder): the note of what the node misses cannot be read") }
    if !reading.findings.damages.isEmpty { try log.note(HintNote(isAll: true)) }
    for cut in reading.cuts { try cut.perform(on: fileSystem) }
    return (log, reading.findings)
  }
}

/// The reading of a folder of hints.
private struct Reading {
  /// What is to be taken off a file once what it held is noted.
  struct Cut {
    var path: String
    /// Where the file is to end; nil where it is to be removed.
    var end: UInt64?

    func perform(on fileSystem: any FileSystem) throws(FileError) {
      guard let end else { return try fileSystem.remove(path) }
      let file = try fileSystem.open(path, .readWrite)
      defer { file.close() }
      try file.truncate(to: end)
      try file.sync()
    }
  }

  private let folder: String
  private let seal: LogSeal
  private let fileSystem: any FileSystem
  private(set) var segments: [HintLog.Segment] = []
  private(set) var nextNumber: UInt32 = 0
  var findings = HintLog.Findings()
  private(set) var cuts: [Cut] = []
  private var last: UInt64 = 0
  /// What is no record, until it is known whether something whole lies behind it.
  private var open: [(path: String, range: Range<UInt64>)] = []

  init(_ folder: String, _ seal: LogSeal, _ fileSystem: any FileSystem) {
    self.folder = folder
    self.seal = seal
    self.fileSystem = fileSystem
  }

  mutating func run(_ body: (UInt64, Int64, UnsafeRawBufferPointer) -> Void) throws(FileError) {
    for entry in try fileSystem.list(folder) {
      guard entry.kind == .file, let id = LogSegmentID(fileName: entry.name), id.generation == HintLog.generation else {
        continue
      }
      nextNumber = id.number &+ 1
      try read(id, body)
    }
    // Behind these there is nothing whole: they were being written when the power went.
    for one in open {
      findings.tornBytes &+= one.range.upperBound - one.range.lowerBound
      let isKept = segments.contains { $0.file.path == one.path }
      cuts.append(Cut(path: one.path, end: isKept ? one.range.lowerBound : nil))
    }
  }

  private mutating func read(
    _ id: LogSegmentID, _ body: (UInt64, Int64, UnsafeRawBufferPointer) -> Void
  ) throws(FileError) {
    let path = folder + "/" + id.fileName
    var scanner = try LogScanner(path, segment: id, seal, on: fileSystem)
    defer { scanner.close() }
    guard scanner.header != nil else {
      // A head is synced before the first record is written: a file that is longer lost a head that was there.
      guard scanner.size > UInt64(LogFormat.segmentHeaderBytes) else {
        open.append((path, 0..<scanner.size))
        return
      }
      settleOpen()
      findings.damages.append("\(path): the head is not what was written")
      cuts.append(Cut(path: path, end: nil))
      return
    }
    var places: [HintLog.Place] = []
    var end = UInt64(LogFormat.segmentHeaderBytes)
    while true {
      var record: HintLog.Place?
      let last = last
      let step = try scanner.next { header, range, payload in
        guard header.kind == HintLog.recordKind, header.sequence > last, payload.count >= HintLog.timeBytes else {
          return
        }
        record = HintLog.Place(
          sequence: header.sequence, offset: range.lowerBound + UInt64(LogFormat.recordHeaderBytes),
          length: payload.count, checksum: header.payloadChecksum)
        let time = Int64(littleEndian: payload.loadUnaligned(as: Int64.self))
        body(header.sequence, time, UnsafeRawBufferPointer(rebasing: payload[HintLog.timeBytes...]))
      }
      switch step {
      case .record(_, let range):
        settleOpen()
        end = range.upperBound
        guard let record else {
          findings.damages.append("\(path), bytes \(range): a record that does not belong there")
          continue
        }
        self.last = record.sequence
        places.append(record)
      case .damage(let range): open.append((path, range))
      case .end:
        try keep(id, path, places, end: end)
        return
      }
    }
  }

  /// Something whole lies behind what was no record: that was promised once, or may have been.
  private mutating func settleOpen() {
    for one in open {
      findings.damages.append("\(one.path), bytes \(one.range): not what was written")
      // Of a file without anything whole in it nothing is needed any more.
      if one.range.lowerBound == 0 { cuts.append(Cut(path: one.path, end: nil)) }
    }
    open = []
  }

  private mutating func keep(
    _ id: LogSegmentID, _ path: String, _ places: [HintLog.Place], end: UInt64
  ) throws(FileError) {
    guard !places.isEmpty else {
      if !open.contains(where: { $0.path == path }) { cuts.append(Cut(path: path, end: nil)) }
      return
    }
    segments.append(HintLog.Segment(id: id, file: try fileSystem.open(path, .read), end: end, places: places))
  }
}
