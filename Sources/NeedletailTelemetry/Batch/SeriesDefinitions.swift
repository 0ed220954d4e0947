/// The labels of series that a batch names only by identity, and metadata of metrics: sent ahead of the batch, to whoever
/// does not know them yet.
package struct SeriesDefinitions: Sendable {
  enum ColumnKind {
    static let seriesIDs: UInt8 = 1
    static let labels: UInt8 = 2
    static let metadata: UInt8 = 3
  }

  package let frame: Frame

  package var tenant: TenantID { frame.tenant }

  /// Trusts the frame's kind only; every entry is checked as it is read.
  package init(validating frame: Frame) throws(MalformedBytes) {
    guard frame.kind == .seriesDefinitions else { throw .invalid("not a frame of series definitions") }
    self.frame = frame
  }

  /// Calls `body` for every series: its identity and canonical label bytes. The labels are checked to be canonical and to hash to
  /// the identity.
  package func forEachSeries(
    _ body: (_ id: SeriesID, _ labels: UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try frame.bytes.withUnsafeBytes { bytes in
      var ids = ByteReader(frame.column(ColumnKind.seriesIDs, in: bytes))
      var labels = ByteReader(frame.column(ColumnKind.labels, in: bytes))
      let seed = tenant.hashSeed
      while !ids.isAtEnd {
        let id = SeriesID(try ids.readHash())
        let set = try labels.readPrefixed()
        try LabelSet.check(set)
        guard Hash128.of(set, seed: seed) == id.hash else {
          throw MalformedBytes.invalid("a series' labels do not hash to its identity")
        }
        try body(id, set)
      }
    }
  }

  /// Calls `body` for the metadata of every metric that the frame names.
  package func forEachMetric(_ body: (_ name: String, _ metadata: MetricMetadata) throws -> Void) throws {
    try frame.bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(frame.column(ColumnKind.metadata, in: bytes))
      while !reader.isAtEnd {
        let kind = MetricMetadata.Kind(rawValue: try reader.read(UInt8.self)) ?? .unknown
        let name = try reader.readPrefixedString()
        let unit = try reader.readPrefixedString()
        try body(name, MetricMetadata(kind: kind, unit: unit, help: try reader.readPrefixedString()))
      }
    }
  }
}

/// Gathers definitions. Reusable: `build` keeps the memory.
package struct SeriesDefinitionsBuilder: Sendable {
  private var ids = ByteWriter()
  private var labels = ByteWriter()
  private var metadata = ByteWriter()

  package init() {}

  package var isEmpty: Bool { ids.count == 0 && metadata.count == 0 }
  package var seriesCount: Int { ids.count / Hash128.byteCount }
  package var byteCountEstimate: Int { ids.count + labels.count + metadata.count + 256 }

  package mutating func append(_ id: SeriesID, canonicalLabels: UnsafeRawBufferPointer) {
    ids.append(id.hash)
    labels.appendPrefixed(canonicalLabels)
  }

  package mutating func append(_ id: SeriesID, labels: LabelSet) {
    labels.withUnsafeBytes { append(id, canonicalLabels: $0) }
  }

  package mutating func append(metric name: String, _ description: MetricMetadata) {
    metadata.append(description.kind.rawValue)
    metadata.appendPrefixed(name)
    metadata.appendPrefixed(description.unit)
    metadata.appendPrefixed(description.help)
  }

  /// Adds metadata as it lies in a frame.
  mutating func append(metadata bytes: UnsafeRawBufferPointer) { metadata.append(bytes) }

  /// The definitions; the builder is empty afterwards. Nil where there are none, or the frame would exceed `Frame.bytesMax`.
  package mutating func build(tenant: TenantID) -> SeriesDefinitions? {
    defer { removeAll() }
    guard !isEmpty else { return nil }
    var frame = FrameBuilder()
    frame.add(SeriesDefinitions.ColumnKind.seriesIDs, ids.bytes)
    frame.add(SeriesDefinitions.ColumnKind.labels, labels.bytes)
    frame.add(SeriesDefinitions.ColumnKind.metadata, metadata.bytes)
    let identity = labels.bytes.withUnsafeBytes { Hash128.of($0) }
    return frame.build(kind: .seriesDefinitions, tenant: tenant, rowCount: seriesCount, batchID: identity)
      .flatMap { try? SeriesDefinitions(validating: $0) }
  }

  package mutating func removeAll() {
    ids.removeAll()
    labels.removeAll()
    metadata.removeAll()
  }
}
