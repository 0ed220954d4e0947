/// The common form of everything that travels between a receiver, the log and the replicas: a header, then typed columns.
///
/// A frame is built once, by the receiver, and the same bytes go to the log and to every replica. Columns are 8-byte aligned and
/// little-endian, so that a reader works on them in place. The layout is drawn in docs/formats/batch.md.
package struct Frame: Sendable {
  package enum Kind: UInt8, Sendable {
    case seriesSamples = 1
    case seriesDefinitions = 2
    case logs = 3
    case spans = 4
  }

  package static let magic: UInt32 = 0x4642_544e
  package static let version: UInt8 = 1
  /// magic 4, version 1, kind 1, tenant length 1, column count 1, total length 4, row count 4, batch id 16, checksum 8.
  static let headerBytes = 40
  static let columnEntryBytes = 16
  static let checksumOffset = 32
  /// The largest frame, in bytes: half of what the log takes as one record.
  package static let bytesMax = 32 << 20

  /// The whole frame.
  package let bytes: [UInt8]
  let layout: FrameLayout

  package var kind: Kind { layout.kind }
  package var tenant: TenantID { layout.tenant }
  /// Series, definitions, log records or spans in the frame.
  package var rowCount: Int { layout.rowCount }
  /// Names the batch, so that a retry is recognised.
  package var batchID: Hash128 { layout.batchID }

  init(trusted bytes: [UInt8], _ layout: FrameLayout) {
    self.bytes = bytes
    self.layout = layout
  }

  /// Reads a frame from the log or a peer: checks magic, version, lengths and the checksum of every byte.
  package init(validating source: UnsafeRawBufferPointer) throws(MalformedBytes) {
    layout = try FrameLayout(source, isVerified: false)
    bytes = Array(source)
  }

  /// Reads a frame from a record of the log, whose own checksum over every byte of it was just found to hold: checks
  /// magic, version and lengths.
  package init(logged source: UnsafeRawBufferPointer) throws(MalformedBytes) {
    layout = try FrameLayout(source, isVerified: true)
    bytes = Array(source)
  }

  /// Reads frames that stand one behind the other: checks each as `init(validating:)` does.
  package static func sequence(_ source: UnsafeRawBufferPointer) throws(MalformedBytes) -> [Frame] {
    var frames: [Frame] = []
    var offset = 0
    while offset < source.count {
      guard source.count - offset >= headerBytes else { throw .truncated }
      let length = Int(UInt32(littleEndian: source.loadUnaligned(fromByteOffset: offset + 8, as: UInt32.self)))
      guard length >= headerBytes, length <= source.count - offset else { throw .truncated }
      frames.append(
        try Frame(validating: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + length)])))
      offset += length
    }
    return frames
  }

  static func checksum(of bytes: UnsafeRawBufferPointer) -> UInt64 {
    let before = UnsafeRawBufferPointer(rebasing: bytes[..<checksumOffset])
    let after = UnsafeRawBufferPointer(rebasing: bytes[(checksumOffset + 8)...])
    return xxHash64(after, seed: xxHash64(before))
  }

  /// The bytes of a column inside `frame`, which must be these bytes; empty where the frame has no such column.
  package func column(_ kind: UInt8, in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    layout.column(kind, in: frame)
  }
}

/// Puts columns into a frame.
package struct FrameBuilder {
  /// A column as its owner holds it, so that it is copied once: into the frame.
  private enum Content {
    case bytes([UInt8])
    case unsigned32([UInt32])
    case unsigned64([UInt64])
    case signed64([Int64])

    func withUnsafeBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
      switch self {
      case .bytes(let values): values.withUnsafeBytes(body)
      case .unsigned32(let values): values.withUnsafeBytes(body)
      case .unsigned64(let values): values.withUnsafeBytes(body)
      case .signed64(let values): values.withUnsafeBytes(body)
      }
    }
  }

  private var columns: [(kind: UInt8, length: Int, content: Content)] = []

  package init() {}

  /// Adds a column; an empty one is left out.
  package mutating func add(_ kind: UInt8, _ bytes: [UInt8]) { add(kind, bytes.count, .bytes(bytes)) }

  /// Adds a column of numbers, which must be little-endian.
  package mutating func add(_ kind: UInt8, column values: [UInt32]) { add(kind, values.count * 4, .unsigned32(values)) }

  package mutating func add(_ kind: UInt8, column values: [UInt64]) { add(kind, values.count * 8, .unsigned64(values)) }

  package mutating func add(_ kind: UInt8, column values: [Int64]) { add(kind, values.count * 8, .signed64(values)) }

  private mutating func add(_ kind: UInt8, _ length: Int, _ content: Content) {
    if length > 0 { columns.append((kind, length, content)) }
  }

  /// The frame; nil where it would be larger than `Frame.bytesMax`. One copy of the columns.
  package func build(kind: Frame.Kind, tenant: TenantID, rowCount: Int, batchID: Hash128) -> Frame? {
    let tenantBytes = Array(tenant.description.utf8)
    var offset = aligned(Frame.headerBytes + tenantBytes.count) + columns.count * Frame.columnEntryBytes
    var entries: [FrameLayout.Column] = []
    for column in columns {
      entries.append(FrameLayout.Column(kind: column.kind, offset: offset, length: column.length))
      offset = aligned(offset + column.length)
    }
    guard offset <= Frame.bytesMax, let rows = UInt32(exactly: rowCount), columns.count <= 255 else { return nil }
    var head = ByteWriter(reserving: entries.first?.offset ?? offset)
    head.append(Frame.magic)
    head.append(Frame.version)
    head.append(kind.rawValue)
    head.append(UInt8(truncatingIfNeeded: tenantBytes.count))
    head.append(UInt8(truncatingIfNeeded: columns.count))
    head.append(UInt32(truncatingIfNeeded: offset))
    head.append(rows)
    head.append(batchID)
    head.append(UInt64(0))
    head.append(tenantBytes)
    head.align(to: 8)
    for entry in entries {
      head.append(UInt64(entry.kind))
      head.append(UInt32(truncatingIfNeeded: entry.offset))
      head.append(UInt32(truncatingIfNeeded: entry.length))
    }
    return Frame(
      trusted: assembled(head.bytes, entries, byteCount: offset),
      FrameLayout(kind: kind, tenant: tenant, rowCount: rowCount, batchID: batchID, columns: entries))
  }

  /// Head and columns at their places in one buffer, zeros between them, and the checksum over all.
  private func assembled(_ head: [UInt8], _ entries: [FrameLayout.Column], byteCount: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      let target = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<byteCount])
      target.copyBytes(from: head)
      for (entry, column) in zip(entries, columns) {
        let end = entry.offset + entry.length
        column.content.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: target[entry.offset..<end]).copyMemory(from: $0)
        }
        for index in end..<aligned(end) { target[index] = 0 }
      }
      let checksum = Frame.checksum(of: UnsafeRawBufferPointer(target))
      target.storeBytes(of: checksum.littleEndian, toByteOffset: Frame.checksumOffset, as: UInt64.self)
      count = byteCount
    }
  }

  private func aligned(_ offset: Int) -> Int { (offset + 7) & ~7 }
}
