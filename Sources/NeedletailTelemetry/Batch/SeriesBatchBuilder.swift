/// Gathers samples row by row into the columns of a `SeriesBatch`. Reusable: `build` keeps the columns' memory.
///
/// Call `beginSeries`, then the `append` functions for that series, and so on. A series may stand in several rows.
@usableFromInline package struct SeriesBatchBuilder: Sendable {
  @usableFromInline var ids: [UInt64] = []
  /// Where the rows before the current one end; nothing while each of them has one sample.
  @usableFromInline var ends: [UInt32] = []
  @usableFromInline var timestamps: [Int64] = []
  @usableFromInline var values: [UInt64] = []
  /// Nothing until a sender says when a series' count began.
  @usableFromInline var starts: [Int64] = []
  @usableFromInline var histogramRows = ByteWriter()
  @usableFromInline var histogramBytes = ByteWriter()
  @usableFromInline var exemplarRows = ByteWriter()
  @usableFromInline var exemplarBytes = ByteWriter()
  @usableFromInline var isOneEach = true

  /// Bytes that a row with one sample takes in a frame, at most.
  package static let rowBytes = 44

  package init() {}

  @inlinable package var seriesCount: Int { ids.count / 2 }
  @inlinable package var sampleCount: Int { values.count }
  /// About the size of the frame to be, in bytes; a receiver splits a batch before `Frame.bytesMax`.
  @inlinable package var byteCountEstimate: Int {
    seriesCount * 28 + values.count * 16 + histogramRows.count + histogramBytes.count
      + exemplarRows.count + exemplarBytes.count + 256
  }

  /// Starts the next row. `start` is when the series' count began, in ms since 1970, where the sender says so.
  @inlinable package mutating func beginSeries(_ id: SeriesID, startTimestamp start: Int64? = nil) {
    endRow()
    if start != nil || !starts.isEmpty { append(start: start ?? 0) }
    ids.append(id.hash.low.littleEndian)
    ids.append(id.hash.high.littleEndian)
  }

  /// Adds a float sample to the current series.
  @inlinable package mutating func append(timestamp: Int64, valueBits: UInt64) {
    timestamps.append(timestamp.littleEndian)
    values.append(valueBits.littleEndian)
  }

  /// Adds rows of one sample each, all as they lie in the columns.
  ///
  /// For each row there are two words of its identity, the lower half first, a timestamp in ms since 1970 and the bits of
  /// a value, all little-endian. O(rows).
  package mutating func append(
    oneEach words: UnsafeBufferPointer<UInt64>, timestamps times: UnsafeBufferPointer<Int64>,
    values bits: UnsafeBufferPointer<UInt64>
  ) {
    precondition(words.count == 2 * times.count && times.count == bits.count, "columns of different lengths")
    guard !times.isEmpty else { return }
    endRow()
    if !starts.isEmpty { starts.append(contentsOf: repeatElement(0, count: times.count)) }
    // The last row is left open, as `beginSeries` leaves it.
    if !isOneEach {
      for row in 1..<times.count { ends.append(UInt32(truncatingIfNeeded: values.count + row).littleEndian) }
    }
    ids.append(contentsOf: words)
    timestamps.append(contentsOf: times)
    values.append(contentsOf: bits)
  }

  /// Notes where the current row ends, if there is one and the column of ends is needed.
  @inlinable mutating func endRow() {
    if isOneEach {
      if values.count != seriesCount { listEnds() }
    } else {
      ends.append(UInt32(truncatingIfNeeded: values.count).littleEndian)
    }
  }

  /// Begins the column of ends: all rows but the current one have one sample.
  @usableFromInline @inline(never) mutating func listEnds() {
    isOneEach = false
    let rows = seriesCount
    ends.reserveCapacity(rows + 1)
    for row in 1..<max(1, rows) { ends.append(UInt32(truncatingIfNeeded: row).littleEndian) }
    ends.append(UInt32(truncatingIfNeeded: values.count).littleEndian)
  }

  @usableFromInline mutating func append(start: Int64) {
    if starts.isEmpty { starts = [Int64](repeating: 0, count: seriesCount) }
    starts.append(start.littleEndian)
  }

  /// Adds a native histogram sample to the current series.
  package mutating func append(timestamp: Int64, histogram: NativeHistogram) {
    let offset = histogramBytes.count
    histogram.encode(to: &histogramBytes)
    appendReference(to: &histogramRows, offset: offset, length: histogramBytes.count - offset)
    histogramRows.append(timestamp)
  }

  /// Adds a native histogram sample, in its byte form, to the current series.
  package mutating func append(timestamp: Int64, encodedHistogram bytes: [UInt8]) {
    appendReference(to: &histogramRows, offset: histogramBytes.count, length: bytes.count)
    histogramBytes.append(bytes)
    histogramRows.append(timestamp)
  }

  /// Adds an exemplar to the current series.
  package mutating func append(exemplar: Exemplar) {
    let offset = exemplarBytes.count
    exemplarBytes.append(exemplar.labels.canonicalBytes)
    appendReference(to: &exemplarRows, offset: offset, length: exemplarBytes.count - offset)
    exemplarRows.append(exemplar.timestampMilliseconds)
    exemplarRows.append(exemplar.value.bitPattern)
  }

  private func appendReference(to rows: inout ByteWriter, offset: Int, length: Int) {
    rows.append(UInt32(truncatingIfNeeded: seriesCount - 1))
    rows.append(UInt32(truncatingIfNeeded: offset))
    rows.append(UInt32(truncatingIfNeeded: length))
    rows.append(UInt32(0))
  }

  /// The batch; the builder is empty afterwards. Nil where the frame would exceed `Frame.bytesMax`, or holds nothing.
  package mutating func build(tenant: TenantID, batchID: Hash128) -> SeriesBatch? {
    defer { removeAll() }
    guard !ids.isEmpty else { return nil }
    typealias Kind = SeriesBatch.ColumnKind
    var frame = FrameBuilder()
    frame.add(Kind.seriesIDs, column: ids)
    endRow()
    if !isOneEach && !values.isEmpty { frame.add(Kind.sampleEnds, column: ends) }
    let hasOneTime = timestamps.count > 1 && timestamps.allSatisfy { $0 == timestamps[0] }
    frame.add(Kind.timestamps, column: hasOneTime ? [timestamps[0]] : timestamps)
    frame.add(Kind.values, column: values)
    if !starts.isEmpty { frame.add(Kind.startTimestamps, column: starts) }
    frame.add(Kind.histogramRows, histogramRows.bytes)
    frame.add(Kind.histogramBytes, histogramBytes.bytes)
    frame.add(Kind.exemplarRows, exemplarRows.bytes)
    frame.add(Kind.exemplarBytes, exemplarBytes.bytes)
    return frame.build(kind: .seriesSamples, tenant: tenant, rowCount: seriesCount, batchID: batchID)
      .flatMap { try? SeriesBatch(validating: $0) }
  }

  package mutating func removeAll() {
    ids.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    timestamps.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
    histogramRows.removeAll()
    histogramBytes.removeAll()
    exemplarRows.removeAll()
    exemplarBytes.removeAll()
    isOneEach = true
  }
}
