import NeedletailTelemetry

// What a reduction came to on its way to another node: records in messages of bounded size, however many groups there are.
// docs/formats/read-message.md draws them.

/// What a record is, by its first byte.
private enum ReducedRecord: UInt8 {
  case group = 1
  case end = 2
  /// It cannot be reduced here; groups before it do not count.
  case unfit = 3
}

/// What of a group's cells is in its record.
private struct GroupMarks: OptionSet {
  let rawValue: UInt8
  /// All steps have one count, which is told once.
  static let oneCount = GroupMarks(rawValue: 1)
  /// No correction is anything but 0, and none is told.
  static let noCorrections = GroupMarks(rawValue: 2)
}

/// Writes what a reduction came to, message by message.
package struct ReducedSeriesWriter {
  static let version: UInt8 = 1
  /// A message ends when it has so many bytes; one group more may stand in it.
  private static let messageBytes = 256 << 10

  private let reduced: ReducedSeries?
  private var next = 0
  private var isAtEnd = false

  /// The messages of what a reduction came to; nil where it could not be made.
  package init(_ reduced: ReducedSeries?) { self.reduced = reduced }

  /// The next message, nil after the last.
  package mutating func message() -> [UInt8]? {
    guard !isAtEnd else { return nil }
    var writer = ByteWriter(reserving: 4096)
    writer.append(Self.version)
    guard let reduced else {
      writer.append(ReducedRecord.unfit.rawValue)
      isAtEnd = true
      return writer.bytes
    }
    while next < reduced.fold.labels.count, writer.count < Self.messageBytes {
      Self.append(reduced.fold, group: next, to: &writer)
      next += 1
    }
    guard next == reduced.fold.labels.count else { return writer.bytes }
    Self.appendEnd(reduced, to: &writer)
    isAtEnd = true
    return writer.bytes
  }

  private static func append(_ fold: GroupFold, group: Int, to writer: inout ByteWriter) {
    writer.append(ReducedRecord.group.rawValue)
    fold.labels[group].withUnsafeBytes { writer.appendPrefixed($0) }
    let parts = (0..<fold.width).map { fold.part(at: $0, of: group) }
    var marks: GroupMarks = []
    if let first = parts.first, parts.allSatisfy({ $0.count == first.count }) { marks.insert(.oneCount) }
    if parts.allSatisfy({ $0.correction.bitPattern == 0 }) { marks.insert(.noCorrections) }
    writer.append(marks.rawValue)
    for part in marks.contains(.oneCount) ? parts.prefix(1) : parts[...] { writer.appendVarint(UInt64(part.count)) }
    guard fold.hasValues else { return }
    for part in parts where part.count > 0 { writer.append(part.value.bitPattern) }
    guard !marks.contains(.noCorrections) else { return }
    for part in parts where part.count > 0 { writer.append(part.correction.bitPattern) }
  }

  private static func appendEnd(_ reduced: ReducedSeries, to writer: inout ByteWriter) {
    writer.append(ReducedRecord.end.rawValue)
    let (fold, names) = (reduced.fold, reduced.fold.names)
    for isSo in [fold.ignoresHistograms, names.areSeveral, names.hadType, names.lastBytes != nil] {
      writer.append(isSo ? UInt8(1) : 0)
    }
    writer.appendVarint(UInt64(names.lastBytes?.count ?? 0))
    writer.append(names.lastBytes ?? [])
    for count in [fold.rows, reduced.seriesRead, reduced.samplesRead] { writer.appendVarint(UInt64(clamping: count)) }
    for texts in [reduced.annotations.warnings, reduced.annotations.infos] {
      writer.appendVarint(UInt64(texts.count))
      for text in texts { writer.appendPrefixed(text) }
    }
  }
}

/// Reads the messages back.
///
/// What comes is checked as if a stranger had sent it: no group twice, no more of them than a query may hold.
package struct ReducedSeriesReader {
  /// Counts beyond this are taken for this: they are told, and held against limits that are lower.
  private static let countMax: UInt64 = 1 << 40

  private let cellsMax: Int
  private var reduced: ReducedSeries?
  /// Whether the last message was read.
  package private(set) var isAtEnd = false

  /// A reader of what a reduction comes to, which are at most `cellsMax` groups times steps.
  package init(_ reduction: SeriesReduction, cellsMax: Int) {
    reduced = reduction.emptyFold.map { ReducedSeries($0) }
    self.cellsMax = cellsMax
  }

  /// How many groups times steps were read so far.
  package var cellCount: Int { reduced?.fold.cellCount ?? 0 }

  /// What it came to; nil where it cannot be reduced there, or has not come to its end.
  package var result: ReducedSeries? { isAtEnd ? reduced : nil }

  /// Reads a message.
  package mutating func read(_ message: [UInt8]) throws(MalformedBytes) {
    let outcome: Result<Void, MalformedBytes> = message.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      do throws(MalformedBytes) {
        try readAll(&reader)
        return .success(())
      } catch { return .failure(error) }
    }
    try outcome.get()
  }

  private mutating func readAll(_ reader: inout ByteReader) throws(MalformedBytes) {
    guard try reader.read(UInt8.self) == ReducedSeriesWriter.version else {
      throw .invalid("a state of groups of an unknown version")
    }
    while !reader.isAtEnd {
      guard !isAtEnd, let record = ReducedRecord(rawValue: try reader.read()) else {
        throw .invalid("an unknown record, or one after the end")
      }
      switch record {
      case .group: try readGroup(&reader)
      case .end:
        try readEnd(&reader)
        isAtEnd = true
      case .unfit:
        reduced = nil
        isAtEnd = true
      }
    }
  }

  private mutating func readGroup(_ reader: inout ByteReader) throws(MalformedBytes) {
    // The fold is not taken out: another hold on it would have all of it copied.
    guard let width = reduced?.fold.width, let hasValues = reduced?.fold.hasValues,
      cellsMax - (reduced?.fold.cellCount ?? 0) >= width
    else { throw .invalid("more groups than a query may hold") }
    let labels = try LabelSet(validating: try reader.readPrefixed())
    let marks = GroupMarks(rawValue: try reader.read())
    var parts = [NumberReduction.Part](repeating: NumberReduction.Part(), count: width)
    if marks.contains(.oneCount) {
      let count = try Self.count(&reader)
      for step in parts.indices { parts[step].count = count }
    } else {
      for step in parts.indices { parts[step].count = try Self.count(&reader) }
    }
    if hasValues {
      for step in parts.indices where parts[step].count > 0 {
        parts[step].value = Double(bitPattern: try reader.read(UInt64.self))
      }
      if !marks.contains(.noCorrections) {
        for step in parts.indices where parts[step].count > 0 {
          parts[step].correction = Double(bitPattern: try reader.read(UInt64.self))
        }
      }
    }
    guard reduced?.fold.add(labels, parts) == true else { throw .invalid("a group twice") }
  }

  private static func count(_ reader: inout ByteReader) throws(MalformedBytes) -> UInt32 {
    guard let count = UInt32(exactly: try reader.readVarint()) else { throw .invalid("a count is too large") }
    return count
  }

  private mutating func readEnd(_ reader: inout ByteReader) throws(MalformedBytes) {
    let ignoresHistograms = try reader.read(UInt8.self) != 0
    let (areSeveral, hadType) = (try reader.read(UInt8.self) != 0, try reader.read(UInt8.self) != 0)
    let hasName = try reader.read(UInt8.self) != 0
    let name = Array(try reader.readPrefixed())
    let names = MetricNames(last: hasName ? name : nil, areSeveral: areSeveral, hadType: hadType)
    let rows = try Self.number(&reader)
    reduced?.fold.note(names, rows: rows, ignoresHistograms: ignoresHistograms)
    reduced?.seriesRead = try Self.number(&reader)
    reduced?.samplesRead = try Self.number(&reader)
    for _ in 0..<(try Self.remarks(&reader)) { reduced?.annotations.warn(try reader.readPrefixedString()) }
    for _ in 0..<(try Self.remarks(&reader)) { reduced?.annotations.inform(try reader.readPrefixedString()) }
  }

  private static func number(_ reader: inout ByteReader) throws(MalformedBytes) -> Int {
    Int(min(try reader.readVarint(), countMax))
  }

  private static func remarks(_ reader: inout ByteReader) throws(MalformedBytes) -> Int {
    let count = try reader.readCount()
    guard count <= Annotations.countMax else { throw .invalid("more remarks than there are of one query") }
    return count
  }
}
