import NeedletailTelemetry

/// What was appended since the last flush: batches as they came, and flat indexes over their rows.
///
/// The rows are put in order only when a query or a flush asks.
struct EventHead {
  /// A row of a trace, chained to the trace's previous one.
  private struct TraceLink {
    var batch: UInt32
    var row: UInt32
    var previous: UInt32
  }

  private static let noLink = UInt32.max

  private(set) var batches = BatchList()
  private(set) var rowCount = 0
  private(set) var streamIdentities: Set<Hash128> = []
  /// Of the rows here.
  private(set) var digests = EventDigestTable()
  private var frameBytes = 0
  private var contents: Set<Hash128> = []
  private var traces: [TraceID: UInt32] = [:]
  private var links: [TraceLink] = []

  /// About what the head takes in memory, in bytes: the frames, and about 40 a row for each of its indexes.
  var byteCount: Int {
    frameBytes + rowCount * 44 + links.count * 12 + traces.count * 40 + streamIdentities.count * 1024
      + digests.pairCount * 64
  }

  var isEmpty: Bool { batches.isEmpty }

  func contains(_ content: Hash128) -> Bool { contents.contains(content) }

  /// Takes those of `rows` that it does not have yet and that `isKnown` does not know.
  ///
  /// Returns how many it took.
  mutating func append(
    _ batch: EventBatch, rows candidates: [UInt32], streams: [StreamEntry], slots: EventSlots,
    isKnown: (Hash128) -> Bool
  ) -> Int {
    var taken: [UInt32] = []
    taken.reserveCapacity(candidates.count)
    var (timeMin, timeMax) = (Int64.max, Int64.min)
    batch.withRows { rows in
      for row in candidates {
        let content = rows.contentID(Int(row))
        guard !isKnown(content), contents.insert(content).inserted else { continue }
        let time = rows.time(Int(row))
        timeMin = min(timeMin, time)
        timeMax = max(timeMax, time)
        taken.append(row)
        let trace = rows.traceID(Int(row))
        if trace.isValid { link(trace, row) }
        let stream = streams[rows.streamIndex(Int(row))]
        streamIdentities.insert(stream.identity)
        digests.add(
          .event(stream, EventKey(time: time, content: content.low)), slot: slots.slot(trace, stream), time: time)
      }
    }
    guard !taken.isEmpty else { return 0 }
    batches.append(HeadBatch(batch, rows: taken, streams: streams, timeMin: timeMin, timeMax: timeMax))
    rowCount += taken.count
    frameBytes += batch.frame.bytes.count
    return taken.count
  }

  private mutating func link(_ trace: TraceID, _ row: UInt32) {
    let previous = traces[trace] ?? Self.noLink
    traces[trace] = UInt32(truncatingIfNeeded: links.count)
    links.append(TraceLink(batch: UInt32(truncatingIfNeeded: batches.count), row: row, previous: previous))
  }

  /// The rows of a trace, of every tenant.
  func rows(of trace: TraceID) -> [(batch: HeadBatch, row: UInt32)] {
    var found: [(HeadBatch, UInt32)] = []
    var next = traces[trace] ?? Self.noLink
    while next != Self.noLink {
      let link = links[Int(next)]
      found.append((batches[Int(link.batch)], link.row))
      next = link.previous
    }
    return found
  }
}
