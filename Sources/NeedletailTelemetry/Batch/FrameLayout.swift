/// What a frame's header says: whose it is, and where its columns lie.
struct FrameLayout: Sendable {
  struct Column: Sendable {
    var kind: UInt8
    var offset: Int
    var length: Int
  }

  let kind: Frame.Kind
  let tenant: TenantID
  let rowCount: Int
  let batchID: Hash128
  private let columns: [Column]

  init(kind: Frame.Kind, tenant: TenantID, rowCount: Int, batchID: Hash128, columns: [Column]) {
    self.kind = kind
    self.tenant = tenant
    self.rowCount = rowCount
    self.batchID = batchID
    self.columns = columns
  }

  /// Reads the header of a frame of these bytes: checks magic, version and lengths, and the checksum of every byte where
  /// these are not known to be right.
  init(_ source: UnsafeRawBufferPointer, isVerified: Bool) throws(MalformedBytes) {
    guard source.count <= Frame.bytesMax else { throw .invalid("frame larger than the limit") }
    var reader = ByteReader(source)
    guard try reader.read(UInt32.self) == Frame.magic else { throw .invalid("not a frame") }
    guard try reader.read(UInt8.self) == Frame.version else { throw .invalid("unknown frame version") }
    guard let kind = Frame.Kind(rawValue: try reader.read(UInt8.self)) else { throw .invalid("unknown frame kind") }
    let tenantCount = Int(try reader.read(UInt8.self))
    let columnCount = Int(try reader.read(UInt8.self))
    guard Int(try reader.read(UInt32.self)) == source.count else { throw .truncated }
    let rowCount = Int(try reader.read(UInt32.self))
    let batchID = try reader.readHash()
    let checksum = try reader.read(UInt64.self)
    guard isVerified || checksum == Frame.checksum(of: source) else { throw .invalid("frame checksum does not match") }
    guard let tenant = TenantID(String(decoding: try reader.read(count: tenantCount), as: UTF8.self)) else {
      throw .invalid("frame names no valid tenant")
    }
    _ = try reader.read(count: (8 - reader.offset % 8) % 8)
    var columns: [Column] = []
    for _ in 0..<columnCount {
      let kind = try reader.read(UInt64.self)
      let offset = Int(try reader.read(UInt32.self))
      let length = Int(try reader.read(UInt32.self))
      guard kind <= UInt64(UInt8.max), offset % 8 == 0, offset + length <= source.count else {
        throw .invalid("frame column out of bounds")
      }
      columns.append(Column(kind: UInt8(truncatingIfNeeded: kind), offset: offset, length: length))
    }
    self.init(kind: kind, tenant: tenant, rowCount: rowCount, batchID: batchID, columns: columns)
  }

  /// The bytes of a column inside `frame`, which must be its bytes; empty where the frame has no such column.
  func column(_ kind: UInt8, in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    guard let column = columns.first(where: { $0.kind == kind }) else {
      return UnsafeRawBufferPointer(start: nil, count: 0)
    }
    return UnsafeRawBufferPointer(rebasing: frame[column.offset..<(column.offset + column.length)])
  }
}
