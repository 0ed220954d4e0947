/// Samples of many series of one tenant, as flat columns: what a receiver makes of a request, the log appends as it is and
/// replicas receive.
///
/// Rows are series, named by their 128-bit identity. Their labels travel apart, in `SeriesDefinitions`, and only when the engine does
/// not know them yet, so that the steady state carries 24 to 36 bytes a sample and no label.
package struct SeriesBatch: Sendable {
  enum ColumnKind {
    static let seriesIDs: UInt8 = 1
    static let sampleEnds: UInt8 = 2
    static let timestamps: UInt8 = 3
    static let values: UInt8 = 4
    static let startTimestamps: UInt8 = 5
    static let histogramRows: UInt8 = 6
    static let histogramBytes: UInt8 = 7
    static let exemplarRows: UInt8 = 8
    static let exemplarBytes: UInt8 = 9
  }

  package let frame: Frame
  /// Float samples in all rows together.
  package let sampleCount: Int
  package let histogramCount: Int
  package let exemplarCount: Int

  /// A batch of no rows, on which metadata rides that comes alone.
  package static func empty(tenant: TenantID) -> SeriesBatch? {
    FrameBuilder().build(kind: .seriesSamples, tenant: tenant, rowCount: 0, batchID: Hash128(high: 0, low: 0))
      .flatMap { try? SeriesBatch(validating: $0) }
  }

  package var tenant: TenantID { frame.tenant }
  package var seriesCount: Int { frame.rowCount }

  /// Checks the columns' shapes against each other, so that reading rows cannot leave them.
  package init(validating frame: Frame) throws(MalformedBytes) {
    var problem: MalformedBytes?
    var counts = (samples: 0, histograms: 0, exemplars: 0)
    frame.bytes.withUnsafeBytes { bytes in
      do throws(MalformedBytes) {
        counts = try Self.validate(frame.layout, SeriesRows(frame.layout, bytes))
      } catch { problem = error }
    }
    if let problem { throw problem }
    self.frame = frame
    (sampleCount, histogramCount, exemplarCount) = (counts.samples, counts.histograms, counts.exemplars)
  }

  /// Reads the rows of a batch where it lies, in a record of the log whose checksum was just found to hold; checks what
  /// the other ways to a batch check.
  package static func withRows<Result>(
    logged bytes: UnsafeRawBufferPointer, _ body: (TenantID, SeriesRows) throws -> Result
  ) throws -> Result {
    let layout = try FrameLayout(bytes, isVerified: true)
    let rows = SeriesRows(layout, bytes)
    _ = try validate(layout, rows)
    return try body(layout.tenant, rows)
  }

  private static func validate(
    _ frame: FrameLayout, _ rows: SeriesRows
  ) throws(MalformedBytes) -> (samples: Int, histograms: Int, exemplars: Int) {
    guard frame.kind == .seriesSamples else { throw .invalid("not a batch of samples") }
    guard rows.ids.count == frame.rowCount * Hash128.byteCount else { throw .invalid("series ids and rows disagree") }
    let samples = rows.values.count / 8
    guard rows.values.count % 8 == 0, rows.timestamps.count % 8 == 0 else { throw .invalid("sample columns are cut") }
    let timestamps = rows.timestamps.count / 8
    guard timestamps == samples || (timestamps == 1 && samples > 1) else {
      throw .invalid("timestamps and values disagree")
    }
    if rows.ends.isEmpty {
      guard samples == frame.rowCount || samples == 0 else { throw .invalid("samples and series disagree") }
    } else {
      guard rows.ends.count == frame.rowCount * 4 else { throw .invalid("sample ends and rows disagree") }
      var previous = 0
      for row in 0..<frame.rowCount {
        let end = rows.end(row)
        guard end >= previous else { throw .invalid("sample ends are not sorted") }
        previous = end
      }
      guard previous == samples else { throw .invalid("sample ends and samples disagree") }
    }
    guard rows.starts.isEmpty || rows.starts.count == frame.rowCount * 8 else {
      throw .invalid("start timestamps and rows disagree")
    }
    guard rows.histogramRows.count % 24 == 0, rows.exemplarRows.count % 32 == 0 else {
      throw .invalid("histogram or exemplar rows are cut")
    }
    for index in 0..<rows.histogramCount {
      let row = rows.histogramReference(index)
      guard row.series < frame.rowCount, row.offset + row.length <= rows.histogramBytes.count else {
        throw .invalid("a histogram row is out of bounds")
      }
    }
    for index in 0..<rows.exemplarCount {
      let row = rows.exemplarReference(index)
      guard row.series < frame.rowCount, row.offset + row.length <= rows.exemplarBytes.count else {
        throw .invalid("an exemplar row is out of bounds")
      }
    }
    return (samples, rows.histogramCount, rows.exemplarCount)
  }

  /// Reads the rows in place.
  package func withRows<Result>(_ body: (SeriesRows) throws -> Result) rethrows -> Result {
    try frame.bytes.withUnsafeBytes { try body(SeriesRows(frame.layout, $0)) }
  }
}

/// The columns of a series batch, borrowed for the time of a call. Indices are the caller's to keep in range.
@usableFromInline package struct SeriesRows {
  @usableFromInline let ids: UnsafeRawBufferPointer
  @usableFromInline let ends: UnsafeRawBufferPointer
  @usableFromInline let timestamps: UnsafeRawBufferPointer
  @usableFromInline let values: UnsafeRawBufferPointer
  @usableFromInline let starts: UnsafeRawBufferPointer
  @usableFromInline let histogramRows: UnsafeRawBufferPointer
  @usableFromInline let histogramBytes: UnsafeRawBufferPointer
  @usableFromInline let exemplarRows: UnsafeRawBufferPointer
  @usableFromInline let exemplarBytes: UnsafeRawBufferPointer
  @usableFromInline package let seriesCount: Int
  @usableFromInline let hasOneTimestamp: Bool

  init(_ frame: FrameLayout, _ bytes: UnsafeRawBufferPointer) {
    typealias Kind = SeriesBatch.ColumnKind
    ids = frame.column(Kind.seriesIDs, in: bytes)
    ends = frame.column(Kind.sampleEnds, in: bytes)
    timestamps = frame.column(Kind.timestamps, in: bytes)
    values = frame.column(Kind.values, in: bytes)
    starts = frame.column(Kind.startTimestamps, in: bytes)
    histogramRows = frame.column(Kind.histogramRows, in: bytes)
    histogramBytes = frame.column(Kind.histogramBytes, in: bytes)
    exemplarRows = frame.column(Kind.exemplarRows, in: bytes)
    exemplarBytes = frame.column(Kind.exemplarBytes, in: bytes)
    seriesCount = frame.rowCount
    hasOneTimestamp = timestamps.count == 8 && values.count != 8
  }

  /// Whether each row has one float sample, numbered as the row is, and none says when its count began: most batches.
  @inlinable package var isOneEach: Bool { ends.isEmpty && starts.isEmpty && !values.isEmpty }

  @inlinable @inline(__always) package func seriesID(_ row: Int) -> SeriesID {
    let low = ids.loadUnaligned(fromByteOffset: row * 16, as: UInt64.self)
    let high = ids.loadUnaligned(fromByteOffset: row * 16 + 8, as: UInt64.self)
    return SeriesID(Hash128(high: UInt64(littleEndian: high), low: UInt64(littleEndian: low)))
  }

  @inlinable @inline(__always) func end(_ row: Int) -> Int {
    Int(UInt32(littleEndian: ends.loadUnaligned(fromByteOffset: row * 4, as: UInt32.self)))
  }

  /// The samples of a row, as indices for `timestamp` and `value`.
  @inlinable @inline(__always) package func samples(of row: Int) -> Range<Int> {
    if ends.isEmpty { return values.isEmpty ? 0..<0 : row..<(row + 1) }
    return (row == 0 ? 0 : end(row - 1))..<end(row)
  }

  /// Milliseconds since 1970.
  @inlinable @inline(__always) package func timestamp(_ sample: Int) -> Int64 {
    Int64(littleEndian: timestamps.loadUnaligned(fromByteOffset: hasOneTimestamp ? 0 : sample * 8, as: Int64.self))
  }

  /// The bits of the value.
  @inlinable @inline(__always) package func valueBits(_ sample: Int) -> UInt64 {
    UInt64(littleEndian: values.loadUnaligned(fromByteOffset: sample * 8, as: UInt64.self))
  }

  /// When the series' count began, in milliseconds since 1970; nil where the sender did not say.
  @inlinable @inline(__always) package func startTimestamp(_ row: Int) -> Int64? {
    guard !starts.isEmpty else { return nil }
    let start = Int64(littleEndian: starts.loadUnaligned(fromByteOffset: row * 8, as: Int64.self))
    return start == 0 ? nil : start
  }

  @inlinable package var histogramCount: Int { histogramRows.count / 24 }

  func histogramReference(_ index: Int) -> (series: Int, offset: Int, length: Int) {
    reference(histogramRows, index * 24)
  }

  private func reference(
    _ rows: UnsafeRawBufferPointer, _ base: Int
  ) -> (series: Int, offset: Int, length: Int) {
    func word(_ offset: Int) -> Int {
      Int(UInt32(littleEndian: rows.loadUnaligned(fromByteOffset: base + offset, as: UInt32.self)))
    }
    return (word(0), word(4), word(8))
  }

  /// A native histogram sample: the row of its series, its time in ms, its bytes as `NativeHistogram` encodes them.
  package func histogram(_ index: Int) -> (row: Int, timestamp: Int64, bytes: UnsafeRawBufferPointer) {
    let (series, offset, length) = histogramReference(index)
    let timestamp = histogramRows.loadUnaligned(fromByteOffset: index * 24 + 16, as: Int64.self)
    return (
      series, Int64(littleEndian: timestamp),
      UnsafeRawBufferPointer(rebasing: histogramBytes[offset..<(offset + length)])
    )
  }

  @inlinable package var exemplarCount: Int { exemplarRows.count / 32 }

  func exemplarReference(_ index: Int) -> (series: Int, offset: Int, length: Int) {
    reference(exemplarRows, index * 32)
  }

  /// An exemplar: the row of its series, its time in ms, the bits of its value, its canonical label bytes.
  package func exemplar(
    _ index: Int
  ) -> (row: Int, timestamp: Int64, valueBits: UInt64, labels: UnsafeRawBufferPointer) {
    let (series, offset, length) = exemplarReference(index)
    let timestamp = exemplarRows.loadUnaligned(fromByteOffset: index * 32 + 16, as: Int64.self)
    let value = exemplarRows.loadUnaligned(fromByteOffset: index * 32 + 24, as: UInt64.self)
    return (
      series, Int64(littleEndian: timestamp), UInt64(littleEndian: value),
      UnsafeRawBufferPointer(rebasing: exemplarBytes[offset..<(offset + length)])
    )
  }
}
