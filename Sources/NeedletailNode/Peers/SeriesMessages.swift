import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

// The answer to a selection on its way to another node: records in messages of bounded size, however long a series is.
// docs/formats/peer.md draws them.

/// What a record is, by its first byte.
private enum SeriesRecord: UInt8 {
  case labels = 1
  case numbers = 2
  case histogram = 3
  case seriesEnd = 4
  case answerEnd = 5
  /// What there is to know of a series that was worked out; behind its labels.
  case derived = 6
  /// Numbers at steps that follow each other.
  case stepNumbers = 7
  case stepHistogram = 8
}

/// Writes the chunks of a cursor as messages.
struct SeriesMessageWriter {
  static let version: UInt8 = 1
  /// A message is sent when it has so many bytes; one record more may stand in it.
  static let messageBytes = 256 << 10
  static let numbersMax = 4096

  private var writer = ByteWriter()

  init() { writer.append(Self.version) }

  /// Whether there is enough for a message.
  var isFull: Bool { writer.count >= Self.messageBytes }

  /// The message so far; the next one begins.
  mutating func take() -> [UInt8] {
    let bytes = writer.bytes
    self = SeriesMessageWriter()
    return bytes
  }

  /// Adds a chunk; `send` takes each message that is full.
  mutating func append(_ chunk: SeriesColumns, send: ([UInt8]) -> Void) {
    var histogram = 0
    for row in 0..<chunk.count {
      let derived = chunk.derivation(of: row)
      guard derived != nil || chunk.offsets[row] < chunk.offsets[row + 1] else { continue }
      writer.append(SeriesRecord.labels.rawValue)
      chunk.labels[row].withUnsafeBytes { writer.appendPrefixed($0) }
      if let derived {
        writer.append(SeriesRecord.derived.rawValue)
        derived.encode(to: &writer)
      }
      var next = chunk.offsets[row]
      let end = chunk.offsets[row + 1]
      /// The step behind the last one that has a value.
      var step: Int64 = 0
      while next < end {
        let firstHistogram =
          histogram < chunk.histogramIndexes.count ? min(chunk.histogramIndexes[histogram], end) : end
        if firstHistogram == next {
          if derived == nil { append(chunk, histogram: histogram) } else { append(chunk, histogram: histogram, &step) }
          histogram += 1
          next += 1
        } else {
          let numbers = next..<min(firstHistogram, next + Self.numbersMax)
          if derived == nil {
            append(chunk, numbers: numbers)
            next = numbers.upperBound
          } else {
            next = append(chunk, numbers: numbers, &step)
          }
        }
        if isFull { send(take()) }
      }
      writer.append(SeriesRecord.seriesEnd.rawValue)
    }
    if isFull { send(take()) }
  }

  /// Adds those of a series' values that stand at steps which follow each other; tells where the others begin.
  private mutating func append(_ chunk: SeriesColumns, numbers: Range<Int>, _ step: inout Int64) -> Int {
    var end = numbers.lowerBound + 1
    while end < numbers.upperBound, chunk.timestamps[end] == chunk.timestamps[end - 1] + 1 { end += 1 }
    writer.append(SeriesRecord.stepNumbers.rawValue)
    append(gapTo: chunk.timestamps[numbers.lowerBound], &step)
    writer.appendVarint(UInt64(end - numbers.lowerBound))
    for value in numbers.lowerBound..<end { writer.append(chunk.values[value].bitPattern) }
    step = chunk.timestamps[end - 1] + 1
    return end
  }

  private mutating func append(_ chunk: SeriesColumns, histogram: Int, _ step: inout Int64) {
    writer.append(SeriesRecord.stepHistogram.rawValue)
    append(gapTo: chunk.timestamps[chunk.histogramIndexes[histogram]], &step)
    chunk.histograms[histogram].encode(to: &writer)
  }

  private mutating func append(gapTo next: Int64, _ step: inout Int64) {
    writer.appendVarint(UInt64(clamping: next - step))
    step = next + 1
  }

  /// Ends the answer.
  mutating func end(_ coverage: Coverage, _ work: SelectionWork) {
    writer.append(SeriesRecord.answerEnd.rawValue)
    coverage.encode(to: &writer)
    for number in [work.partsTouched, work.partsSkipped, work.blocksRead, work.blocksTotal] {
      writer.appendVarint(UInt64(clamping: number))
    }
  }

  private mutating func append(_ chunk: SeriesColumns, numbers: Range<Int>) {
    writer.append(SeriesRecord.numbers.rawValue)
    writer.appendVarint(UInt64(numbers.count))
    var last: Int64 = 0
    for sample in numbers {
      // Times may lie as far apart as there are numbers: the difference is taken modulo 2^64.
      writer.appendSignedVarint(chunk.timestamps[sample] &- last)
      last = chunk.timestamps[sample]
    }
    for sample in numbers { writer.append(chunk.values[sample].bitPattern) }
    let starts = chunk.starts.piece(numbers)
    writer.appendVarint(UInt64(starts.marks.count))
    for mark in starts.marks {
      writer.appendVarint(UInt64(mark.index))
      writer.appendSignedVarint(mark.start)
    }
  }

  private mutating func append(_ chunk: SeriesColumns, histogram: Int) {
    let sample = chunk.histogramIndexes[histogram]
    writer.append(SeriesRecord.histogram.rawValue)
    writer.appendSignedVarint(chunk.timestamps[sample])
    writer.appendSignedVarint(chunk.starts.isEmpty ? 0 : chunk.starts.start(of: sample))
    chunk.histograms[histogram].encode(to: &writer)
  }
}

/// Reads the messages back into chunks.
///
/// What comes is checked as if a stranger had sent it: series in order and not empty, times ascending and those that were
/// asked for, nothing larger than its message.
struct SeriesMessageReader {
  /// What the other node said of its answer.
  private(set) var coverage: Coverage?
  private(set) var work = SelectionWork()
  /// What came in all, that of the series that has only begun included: whoever reads on bounds it.
  private(set) var seriesRead = 0
  private(set) var samplesRead = 0
  private let range: TimeRange
  private let stepCount: Int?
  private var columns = SeriesColumns()
  private var labels: LabelSet?
  private var lastLabels: LabelSet?
  /// What is known of the series that has begun where its samples are values at steps, and the next of these.
  private var derived: DerivedSeries?
  private var nextStep = 0

  /// A reader of samples within a range, both ends included: others are refused.
  ///
  /// Where a derivation of so many steps was asked for, series may be told as what it makes of them.
  init(_ range: TimeRange = .all, stepCount: Int? = nil) {
    self.range = range
    self.stepCount = stepCount
  }

  /// Whether the answer has come to its end.
  var isAtEnd: Bool { coverage != nil }

  /// How many samples wait to be taken, those of the unfinished series among them; a series that may have none counts for
  /// one more.
  var sampleCount: Int { columns.timestamps.count + columns.derived.count }

  /// Whether a series is whole.
  var hasSeries: Bool { columns.count > 0 }

  /// Reads a message.
  mutating func read(_ message: [UInt8]) throws(MalformedBytes) {
    var reading = self
    self = SeriesMessageReader(range, stepCount: stepCount)
    try SelectionMessage.reading(message) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == SeriesMessageWriter.version else {
        throw .invalid("series of an unknown version")
      }
      while !reader.isAtEnd { try reading.readRecord(&reader) }
    }
    self = reading
  }

  /// The series that are whole; nil where there is none.
  mutating func takeSeries() -> SeriesColumns? {
    guard columns.count > 0 else { return nil }
    let whole = columns.offsets[columns.count]
    var taken = columns
    columns = SeriesColumns()
    guard whole < taken.timestamps.count else { return taken }
    // The series that has only begun stays.
    columns.timestamps = Array(taken.timestamps[whole...])
    columns.values = Array(taken.values[whole...])
    columns.starts = taken.starts.piece(whole..<taken.timestamps.count)
    let histograms = taken.histogramIndexes.firstIndex { $0 >= whole } ?? taken.histogramIndexes.count
    columns.histogramIndexes = taken.histogramIndexes[histograms...].map { $0 - whole }
    columns.histograms = Array(taken.histograms[histograms...])
    taken.timestamps.removeLast(taken.timestamps.count - whole)
    taken.values.removeLast(taken.values.count - whole)
    taken.starts.truncate(to: whole)
    taken.histogramIndexes.removeLast(taken.histogramIndexes.count - histograms)
    taken.histograms.removeLast(taken.histograms.count - histograms)
    return taken
  }

  private mutating func readRecord(_ reader: inout ByteReader) throws(MalformedBytes) {
    guard !isAtEnd, let record = SeriesRecord(rawValue: try reader.read(UInt8.self)) else {
      throw .invalid("an unknown record, or one after the end")
    }
    switch record {
    case .labels:
      let next = try LabelSet(validating: try reader.readPrefixed())
      guard labels == nil, lastLabels.map({ SeriesOrder.precedes($0, next) }) ?? true else {
        throw .invalid("series out of order")
      }
      labels = next
      seriesRead += 1
    case .numbers: try readNumbers(&reader)
    case .derived: try readDerived(&reader)
    case .stepNumbers: try readStepNumbers(&reader)
    case .stepHistogram:
      try skipSteps(&reader, andTake: 1)
      columns.append(timestamp: Int64(nextStep - 1), histogram: try NativeHistogram(decoding: &reader))
    case .histogram:
      let time = try reader.readSignedVarint()
      let start = try reader.readSignedVarint()
      try expect(time)
      columns.starts.append(start, from: columns.timestamps.count)
      columns.append(timestamp: time, histogram: try NativeHistogram(decoding: &reader))
      samplesRead += 1
    case .seriesEnd:
      guard let labels else { throw .invalid("the end of no series") }
      if var derived = derived.take() {
        derived.series = columns.count
        columns.derived.append(derived)
      } else if columns.timestamps.count == columns.offsets[columns.count] {
        throw .invalid("a series of no samples")
      }
      columns.finishSeries(labels)
      (lastLabels, self.labels) = (labels, nil)
    case .answerEnd:
      guard labels == nil else { throw .invalid("an end amid a series") }
      try readEnd(&reader)
    }
  }

  private mutating func readNumbers(_ reader: inout ByteReader) throws(MalformedBytes) {
    // A time takes a byte at least, a value eight.
    let count = try reader.readCount(elementBytes: 9)
    let first = columns.timestamps.count
    var time: Int64 = 0
    for _ in 0..<count {
      time &+= try reader.readSignedVarint()
      try expect(time)
      columns.timestamps.append(time)
    }
    samplesRead += count
    for _ in 0..<count { columns.values.append(Double(bitPattern: try reader.read(UInt64.self))) }
    var last = -1
    columns.starts.append(0, from: first)
    for _ in 0..<(try reader.readCount(elementBytes: 2)) {
      guard let index = Int(exactly: try reader.readVarint()), index > last, index < count else {
        throw .invalid("a start of no sample")
      }
      last = index
      columns.starts.append(try reader.readSignedVarint(), from: first + index)
    }
  }

  private mutating func readDerived(_ reader: inout ByteReader) throws(MalformedBytes) {
    guard stepCount != nil, labels != nil, derived == nil,
      columns.timestamps.count == columns.offsets[columns.count]
    else { throw .invalid("a series that nobody asked to work out, or amid one") }
    derived = try DerivedSeries(decoding: &reader)
    nextStep = 0
    columns.starts.append(0, from: columns.timestamps.count)
  }

  private mutating func readStepNumbers(_ reader: inout ByteReader) throws(MalformedBytes) {
    let gap = try reader.readVarint()
    let count = try reader.readCount(elementBytes: 8)
    try skipSteps(gap, andTake: count)
    for step in (nextStep - count)..<nextStep {
      columns.append(timestamp: Int64(step), value: Double(bitPattern: try reader.read(UInt64.self)))
    }
  }

  private mutating func skipSteps(_ reader: inout ByteReader, andTake count: Int) throws(MalformedBytes) {
    try skipSteps(try reader.readVarint(), andTake: count)
  }

  /// Goes on behind the next steps that have values.
  private mutating func skipSteps(_ gap: UInt64, andTake count: Int) throws(MalformedBytes) {
    guard derived != nil, let stepCount, let gap = Int(exactly: gap), gap <= stepCount - nextStep,
      count <= stepCount - nextStep - gap
    else { throw .invalid("a value at no step that was asked for") }
    nextStep += gap + count
    samplesRead += count
  }

  private mutating func readEnd(_ reader: inout ByteReader) throws(MalformedBytes) {
    coverage = try Coverage(decoding: &reader)
    work.partsTouched = try reader.readPeerCount()
    work.partsSkipped = try reader.readPeerCount()
    work.blocksRead = try reader.readPeerCount()
    work.blocksTotal = try reader.readPeerCount()
  }

  /// Throws where a sample of this time cannot come next.
  private func expect(_ time: Int64) throws(MalformedBytes) {
    guard labels != nil, derived == nil else { throw .invalid("samples of no series, or of one that was worked out") }
    guard time >= range.startMilliseconds, time <= range.endMilliseconds else {
      throw .invalid("a sample outside of the range that was asked for")
    }
    guard
      columns.timestamps.count == columns.offsets[columns.count]
        || time > columns.timestamps[columns.timestamps.count - 1]
    else { throw .invalid("samples out of order") }
  }
}
