import NeedletailTelemetry

/// Gathers rows, sorted by stream and time, into the column groups of one block.
struct BlockColumnsWriter {
  /// A column of texts: their lengths as varints, then the bytes.
  private struct Texts {
    var lengths = ByteWriter()
    var bytes = ByteWriter()

    mutating func append(_ text: UnsafeRawBufferPointer) {
      lengths.appendVarint(UInt64(text.count))
      bytes.append(text)
    }

    /// Nothing where all texts are empty.
    var encoded: [UInt8] { bytes.count == 0 ? [] : lengths.bytes + bytes.bytes }
  }

  /// A column of texts that repeat: the distinct ones, and each row's index among them.
  private struct Dictionary {
    private var indices: [[UInt8]: UInt64] = [:]
    private var entries = ByteWriter()
    private var rows = ByteWriter()

    mutating func append(_ text: UnsafeRawBufferPointer) {
      let key = Array(text)
      let index = indices[key] ?? UInt64(indices.count)
      if index == UInt64(indices.count) {
        indices[key] = index
        entries.appendPrefixed(text)
      }
      rows.appendVarint(index)
    }

    func encode(to writer: inout ByteWriter) {
      writer.appendVarint(UInt64(indices.count))
      writer.append(entries.bytes)
      writer.append(rows.bytes)
    }
  }

  private(set) var rowCount = 0
  /// Bytes of all texts so far, however often they repeat.
  private var textBytes = 0
  private(set) var timeMin = Int64.max
  private(set) var timeMax = Int64.min
  private(set) var firstStream: UInt32 = 0
  private(set) var lastStream: UInt32 = 0
  private var streamRuns: [UInt64] = []
  private var times = ByteWriter()
  private var seconds = ByteWriter()
  private var previousTime: Int64 = 0
  private var keys = ByteWriter()
  private var kinds = ByteWriter()
  private var statuses = ByteWriter()
  private var flags = ByteWriter()
  private var traceIDs = ByteWriter()
  private var spanIDs = ByteWriter()
  private var hasTraces = false
  private var names = Dictionary()
  private var texts = Dictionary()
  private var bodies = Texts()
  private var attributes = Texts()
  private var nested = Texts()
  private var states = Texts()

  var isFull: Bool {
    rowCount >= PartFormat.blockRowsMax || textBytes >= PartFormat.blockBytesMax
  }

  /// Adds a row of the stream with this number in the part; streams come in ascending order.
  mutating func append(_ row: EventRow, stream: UInt32) {
    if rowCount == 0 { firstStream = stream }
    while streamRuns.count <= Int(stream - firstStream) { streamRuns.append(0) }
    streamRuns[Int(stream - firstStream)] += 1
    lastStream = stream
    rowCount += 1
    timeMin = min(timeMin, row.time)
    timeMax = max(timeMax, row.time)
    times.appendSignedVarint(row.time &- previousTime)
    previousTime = row.time
    seconds.appendSignedVarint(row.secondTime &- row.time)
    keys.append(row.key.content)
    kinds.append(row.kind)
    statuses.append(row.status)
    flags.appendVarint(UInt64(row.flags))
    hasTraces = hasTraces || row.traceID.isValid || row.spanID.isValid || row.parentSpanID.isValid
    traceIDs.append(row.traceID.high)
    traceIDs.append(row.traceID.low)
    spanIDs.append(row.spanID.value)
    spanIDs.append(row.parentSpanID.value)
    textBytes += row.name.count + row.text.count + row.body.count + row.attributes.count
    textBytes += row.nested.count + row.state.count
    names.append(row.name)
    texts.append(row.text)
    bodies.append(row.body)
    attributes.append(row.attributes)
    nested.append(row.nested)
    states.append(row.state)
  }

  /// The bytes of every group; a group without bytes is not stored.
  func encoded() -> [(group: ColumnGroup, bytes: [UInt8])] {
    var core = ByteWriter()
    for run in streamRuns { core.appendVarint(run) }
    core.append(times.bytes)
    core.append(seconds.bytes)
    var dictionaries = ByteWriter()
    names.encode(to: &dictionaries)
    texts.encode(to: &dictionaries)
    return [
      (.core, core.bytes), (.keys, keys.bytes), (.context, kinds.bytes + statuses.bytes + flags.bytes),
      (.traces, hasTraces ? traceIDs.bytes + spanIDs.bytes : []), (.names, dictionaries.bytes),
      (.bodies, bodies.encoded), (.attributes, attributes.encoded), (.nested, nested.encoded),
      (.states, states.encoded),
    ]
  }
}
