// The rows of a batch that a node holds, as a batch of their own: columns are gathered, nothing is made for a row.

extension SeriesBatch {
  /// The slot of each row.
  package func slots(_ map: SlotMap) -> [UInt16] {
    withRows { rows in
      [UInt16](unsafeUninitializedCapacity: rows.seriesCount) { buffer, count in
        for row in 0..<rows.seriesCount {
          buffer.initializeElement(at: row, to: map.slot(of: rows.seriesID(row).hash))
        }
        count = rows.seriesCount
      }
    }
  }

  /// A batch of these rows, which ascend and are below `seriesCount`, under the same id.
  ///
  /// Nil for no rows. O(rows of both).
  package func selecting(_ selected: ArraySlice<UInt32>) -> SeriesBatch? {
    guard !selected.isEmpty else { return nil }
    let gathered = withRows { GatheredSeries($0, selected) }
    return gathered.frame(tenant: tenant, batchID: frame.batchID).flatMap { try? SeriesBatch(validating: $0) }
  }

  /// The rows of which something lies within `times`, in ms since 1970, and those that hold nothing with a time.
  ///
  /// O(samples).
  package func rows(within times: ClosedRange<Int64>) -> [UInt32] {
    withRows { rows in
      var isKept = [Bool](repeating: false, count: rows.seriesCount)
      for row in 0..<rows.seriesCount {
        let samples = rows.samples(of: row)
        isKept[row] = samples.isEmpty || samples.contains { times.contains(rows.timestamp($0)) }
      }
      // A row of histograms alone is kept for one of them.
      var isOfHistograms = [Bool](repeating: false, count: rows.histogramCount > 0 ? rows.seriesCount : 0)
      for index in 0..<rows.histogramCount {
        let (row, time, _) = rows.histogram(index)
        if rows.samples(of: row).isEmpty, !isOfHistograms[row] { isKept[row] = false }
        isOfHistograms[row] = true
        if times.contains(time) { isKept[row] = true }
      }
      return (0..<rows.seriesCount).filter { isKept[$0] }.map { UInt32(truncatingIfNeeded: $0) }
    }
  }
}

extension UnsafeRawBufferPointer {
  /// The numbers of some rows of a column, as they lie there.
  ///
  /// Rows are below those of the column, which is checked once for all. O(rows).
  func gathered<Word: FixedWidthInteger>(
    _ type: Word.Type, _ selected: ArraySlice<UInt32>, wordsOfRow width: Int = 1
  ) -> [Word] {
    let rowBytes = width * MemoryLayout<Word>.size
    precondition((selected.max().map { Int($0) + 1 } ?? 0) * rowBytes <= count, "a row that the column does not have")
    return [Word](unsafeUninitializedCapacity: selected.count * width) { buffer, count in
      selected.withUnsafeBufferPointer { selected in
        for (index, row) in selected.enumerated() {
          for word in 0..<width {
            let offset = Int(row) * rowBytes + word * MemoryLayout<Word>.size
            buffer.initializeElement(at: index * width + word, to: loadUnaligned(fromByteOffset: offset, as: Word.self))
          }
        }
      }
      count = selected.count * width
    }
  }
}

/// The columns of some rows of a batch.
private struct GatheredSeries {
  private var ids: [UInt64] = []
  private var ends: [UInt32] = []
  private var timestamps: [Int64] = []
  private var values: [UInt64] = []
  private var starts: [Int64] = []
  private var histogramRows = ByteWriter()
  private var histogramBytes = ByteWriter()
  private var exemplarRows = ByteWriter()
  private var exemplarBytes = ByteWriter()
  private let rowCount: Int

  init(_ rows: SeriesRows, _ selected: ArraySlice<UInt32>) {
    rowCount = selected.count
    ids = rows.ids.gathered(UInt64.self, selected, wordsOfRow: 2)
    if !rows.values.isEmpty { gatherSamples(rows, selected) }
    if !rows.starts.isEmpty { starts = rows.starts.gathered(Int64.self, selected) }
    if rows.histogramCount + rows.exemplarCount > 0 { gatherAttachments(rows, selected) }
  }

  private mutating func gatherSamples(_ rows: SeriesRows, _ selected: ArraySlice<UInt32>) {
    if rows.hasOneTimestamp { timestamps = [rows.timestamps.loadUnaligned(as: Int64.self)] }
    if rows.ends.isEmpty {
      values = rows.values.gathered(UInt64.self, selected)
      if !rows.hasOneTimestamp { timestamps = rows.timestamps.gathered(Int64.self, selected) }
      return
    }
    values.reserveCapacity(rowCount)
    for row in selected {
      for sample in rows.samples(of: Int(row)) {
        values.append(rows.values.loadUnaligned(fromByteOffset: sample * 8, as: UInt64.self))
        if rows.hasOneTimestamp { continue }
        timestamps.append(rows.timestamps.loadUnaligned(fromByteOffset: sample * 8, as: Int64.self))
      }
      ends.append(UInt32(truncatingIfNeeded: values.count).littleEndian)
    }
    if values.isEmpty { timestamps = [] }
  }

  /// Histograms and exemplars name their row: each gets the number that its row has here.
  private mutating func gatherAttachments(_ rows: SeriesRows, _ selected: ArraySlice<UInt32>) {
    var place = [UInt32](repeating: .max, count: rows.seriesCount)
    for (index, row) in selected.enumerated() { place[Int(row)] = UInt32(truncatingIfNeeded: index) }
    func add(
      _ row: Int, _ bytes: UnsafeRawBufferPointer, _ rest: UnsafeRawBufferPointer, to references: inout ByteWriter,
      _ all: inout ByteWriter
    ) {
      guard place[row] != .max else { return }
      references.append(place[row])
      references.append(UInt32(truncatingIfNeeded: all.count))
      references.append(UInt32(truncatingIfNeeded: bytes.count))
      references.append(UInt32(0))
      references.append(rest)
      all.append(bytes)
    }
    for index in 0..<rows.histogramCount {
      let (row, _, bytes) = rows.histogram(index)
      let rest = UnsafeRawBufferPointer(rebasing: rows.histogramRows[(index * 24 + 16)..<(index * 24 + 24)])
      add(row, bytes, rest, to: &histogramRows, &histogramBytes)
    }
    for index in 0..<rows.exemplarCount {
      let (row, _, _, labels) = rows.exemplar(index)
      let rest = UnsafeRawBufferPointer(rebasing: rows.exemplarRows[(index * 32 + 16)..<(index * 32 + 32)])
      add(row, labels, rest, to: &exemplarRows, &exemplarBytes)
    }
  }

  func frame(tenant: TenantID, batchID: Hash128) -> Frame? {
    typealias Kind = SeriesBatch.ColumnKind
    var frame = FrameBuilder()
    frame.add(Kind.seriesIDs, column: ids)
    if !values.isEmpty { frame.add(Kind.sampleEnds, column: ends) }
    frame.add(Kind.timestamps, column: timestamps)
    frame.add(Kind.values, column: values)
    frame.add(Kind.startTimestamps, column: starts)
    frame.add(Kind.histogramRows, histogramRows.bytes)
    frame.add(Kind.histogramBytes, histogramBytes.bytes)
    frame.add(Kind.exemplarRows, exemplarRows.bytes)
    frame.add(Kind.exemplarBytes, exemplarBytes.bytes)
    return frame.build(kind: .seriesSamples, tenant: tenant, rowCount: rowCount, batchID: batchID)
  }
}

extension SeriesDefinitions {
  /// What tells apart the metadata of some definitions from that of others, the tenant included; nil where there is none.
  package var metadataHash: Hash128? {
    frame.bytes.withUnsafeBytes { bytes in
      let metadata = frame.column(ColumnKind.metadata, in: bytes)
      guard !metadata.isEmpty else { return nil }
      var writer = ByteWriter(reserving: metadata.count + TenantID.lengthMax + 2)
      writer.appendPrefixed(tenant.description)
      writer.append(metadata)
      return writer.bytes.withUnsafeBytes { Hash128.of($0, seed: 5) }
    }
  }

  /// The definitions of series for which `isWanted` says yes, and all metadata; nil where that is nothing.
  ///
  /// Where it is all, the frame itself. What the entries say is for whoever stores them to check. O(bytes).
  package func selecting(_ isWanted: (SeriesID) -> Bool) throws(MalformedBytes) -> SeriesDefinitions? {
    var builder = SeriesDefinitionsBuilder()
    var problem: MalformedBytes?
    var isAll = true
    frame.bytes.withUnsafeBytes { bytes in
      do throws(MalformedBytes) {
        var ids = ByteReader(frame.column(ColumnKind.seriesIDs, in: bytes))
        var labels = ByteReader(frame.column(ColumnKind.labels, in: bytes))
        while !ids.isAtEnd {
          let id = SeriesID(try ids.readHash())
          let set = try labels.readPrefixed()
          if isWanted(id) { builder.append(id, canonicalLabels: set) } else { isAll = false }
        }
        if !isAll { builder.append(metadata: frame.column(ColumnKind.metadata, in: bytes)) }
      } catch { problem = error }
    }
    if let problem { throw problem }
    return isAll ? self : builder.build(tenant: tenant)
  }
}
