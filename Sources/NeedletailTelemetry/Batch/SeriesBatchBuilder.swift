/// Gathers samples row by row into the columns of a `SeriesBatch`. Reusable: `build` keeps the columns' memory.
///
/// Call `beginSeries`, then the `append` functions for that series, and so on. A series may stand in several rows.
package struct SeriesBatchBuilder: Sendable {
  @usableFromInline var ids: [UInt64] = []
  @usableFromInline var ends: [UInt32] = []
  @usableFromInline var timestamps: [Int64] = []
  @usableFromInline var values: [UInt64] = []
  @usableFromInline var starts: [Int64] = []
  private var histogramRows = ByteWriter()
  private var histogramBytes = ByteWriter()
  private var exemplarRows = ByteWriter()
  private var exemplarBytes = ByteWriter()
  @usableFromInline var hasStarts = false
  @usableFromInline var isOneEach = true

  package init() {}

  @inlinable package var seriesCount: Int { ends.count }
  @inlinable package var sampleCount: Int { values.count }
  /// About the size of the frame to be, in bytes; a receiver splits a batch before `Frame.bytesMax`.
  package var byteCountEstimate: Int {
    ids.count * 8 + ends.count * 12 + values.count * 16 + histogramRows.count + histogramBytes.count
      + exemplarRows.count + exemplarBytes.count + 256
  }

  /// Starts the next row. `start` is when the series' count began, in ms since 1970, where the sender says so.
  @inlinable package mutating func beginSeries(_ id: SeriesID, startTimestamp start: Int64? = nil) {
    if let last = ends.last, Int(last) != ends.count { isOneEach = false }
    ids.append(id.hash.low.littleEndian)
    ids.append(id.hash.high.littleEndian)
    ends.append(UInt32(truncatingIfNeeded: values.count))
    starts.append((start ?? 0).littleEndian)
    if start != nil { hasStarts = true }
  }

  /// Adds a float sample to the current series.
  @inlinable package mutating func append(timestamp: Int64, valueBits: UInt64) {
    timestamps.append(timestamp.littleEndian)
    values.append(valueBits.littleEndian)
    ends[ends.count - 1] &+= 1
  }

  /// Adds a native histogram sample to the current series.
  package mutating func append(timestamp: Int64, histogram: NativeHistogram) {
    let offset = histogramBytes.count
    histogram.encode(to: &histogramBytes)
    appendReference(to: &histogramRows, offset: offset, length: histogramBytes.count - offset)
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
    rows.append(UInt32(truncatingIfNeeded: ends.count - 1))
    rows.append(UInt32(truncatingIfNeeded: offset))
    rows.append(UInt32(truncatingIfNeeded: length))
    rows.append(UInt32(0))
  }

  /// The batch; the builder is empty afterwards. Nil where the frame would exceed `Frame.bytesMax`, or holds nothing.
  package mutating func build(tenant: TenantID, batchID: Hash128) -> SeriesBatch? {
    defer { removeAll() }
    guard !ends.isEmpty else { return nil }
    typealias Kind = SeriesBatch.ColumnKind
    var frame = FrameBuilder()
    frame.add(Kind.seriesIDs, column: ids)
    if let last = ends.last, Int(last) != ends.count { isOneEach = false }
    if !isOneEach && !values.isEmpty { frame.add(Kind.sampleEnds, column: ends.map(\.littleEndian)) }
    let hasOneTime = timestamps.count > 1 && timestamps.allSatisfy { $0 == timestamps[0] }
    frame.add(Kind.timestamps, column: hasOneTime ? [timestamps[0]] : timestamps)
    frame.add(Kind.values, column: values)
    if hasStarts { frame.add(Kind.startTimestamps, column: starts) }
    frame.add(Kind.histogramRows, histogramRows.bytes)
    frame.add(Kind.histogramBytes, histogramBytes.bytes)
    frame.add(Kind.exemplarRows, exemplarRows.bytes)
    frame.add(Kind.exemplarBytes, exemplarBytes.bytes)
    return frame.build(kind: .seriesSamples, tenant: tenant, rowCount: ends.count, batchID: batchID)
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
    hasStarts = false
    isOneEach = true
  }
}
