import NeedletailTelemetry

/// A batch that was read through before it is logged, so that nothing malformed enters the log or the head: its streams
/// decoded, its rows checked and chosen by time.
struct PreparedBatch: Sendable {
  let batch: EventBatch
  /// Rows within the accepted times.
  let rows: [UInt32]
  /// By the batch's stream index.
  let streams: [StreamEntry]
  let tooOld: Int
  let tooNew: Int

  init(_ batch: EventBatch, bounds: ClosedRange<Int64>, streams table: StreamTable) throws(MalformedBytes) {
    var rows: [UInt32] = []
    var (tooOld, tooNew) = (0, 0)
    var problem: MalformedBytes?
    var streams: [StreamEntry] = []
    batch.withRows { all in
      do throws(MalformedBytes) {
        for encoded in all.encodedStreams { streams.append(try table.find(decoding: encoded, tenant: batch.tenant)) }
        for row in 0..<all.rowCount {
          let time = all.time(row)
          if time < bounds.lowerBound {
            tooOld += 1
          } else if time > bounds.upperBound {
            tooNew += 1
          } else {
            try Self.check(EventRow(all, row), isSpans: batch.isSpans)
            rows.append(UInt32(truncatingIfNeeded: row))
          }
        }
        // Only now: rows that are refused must not fill the table with streams.
        var isEntered = [Bool](repeating: false, count: streams.count)
        for row in rows {
          let stream = all.streamIndex(Int(row))
          guard !isEntered[stream] else { continue }
          isEntered[stream] = true
          streams[stream] = table.enter(streams[stream])
        }
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    self.batch = batch
    self.rows = rows
    self.streams = streams
    self.tooOld = tooOld
    self.tooNew = tooNew
  }

  /// Walks over the variable fields without making objects of them.
  private static func check(_ row: EventRow, isSpans: Bool) throws(MalformedBytes) {
    if !row.body.isEmpty {
      var reader = ByteReader(row.body)
      try EncodedValue.skip(&reader)
    }
    if !row.attributes.isEmpty {
      var reader = ByteReader(row.attributes)
      try EncodedAttributes.skip(&reader)
    }
    if isSpans, !row.nested.isEmpty { try EncodedAttributes.checkNested(row.nested) }
  }
}
