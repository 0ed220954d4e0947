// Cursors over one repeated field of a message. A decoder walks a message once for its plain fields and once for each
// repeated field that it wants: that costs a skip per field, and saves an array per message.

/// Walks the occurrences of one length-delimited field: messages, text, bytes.
@usableFromInline package struct ProtobufFieldCursor {
  @usableFromInline var reader: ProtobufReader
  @usableFromInline let tag: ProtobufTag

  /// A cursor over the fields numbered `field` of `message`.
  @inlinable package init(_ message: UnsafeRawBufferPointer, field: UInt64) {
    reader = ProtobufReader(message)
    tag = field << 3 | 2
  }

  /// The next occurrence; nil after the last one.
  @inlinable package mutating func next() throws(ProtobufError) -> UnsafeRawBufferPointer? {
    while let found = try reader.nextTag() {
      if found == tag { return try reader.readBytes() }
      try reader.skip(found)
    }
    return nil
  }
}

/// Walks a repeated field of 64-bit numbers (fixed64, sfixed64, double), packed or not.
@usableFromInline package struct ProtobufWordCursor {
  private var reader: ProtobufReader
  private var packed: ProtobufReader?
  private let field: UInt64

  /// A cursor over the numbers of `field` in `message`.
  package init(_ message: UnsafeRawBufferPointer, field: UInt64) {
    reader = ProtobufReader(message)
    self.field = field
  }

  /// The bits of the next number; nil after the last one.
  package mutating func next() throws(ProtobufError) -> UInt64? {
    while true {
      if var run = packed, !run.isAtEnd {
        let word = try run.readFixed64()
        packed = run
        return word
      }
      guard let tag = try reader.nextTag() else { return nil }
      switch tag {
      case field << 3 | 1: return try reader.readFixed64()
      case field << 3 | 2: packed = ProtobufReader(try reader.readBytes())
      default: try reader.skip(tag)
      }
    }
  }
}

/// Walks a repeated field of varints (uint64, int64, sint64), packed or not.
@usableFromInline package struct ProtobufVarintCursor {
  private var reader: ProtobufReader
  private var packed: ProtobufReader?
  private let field: UInt64

  /// A cursor over the numbers of `field` in `message`.
  package init(_ message: UnsafeRawBufferPointer, field: UInt64) {
    reader = ProtobufReader(message)
    self.field = field
  }

  /// The next number as it is written; nil after the last one.
  package mutating func next() throws(ProtobufError) -> UInt64? {
    while true {
      if var run = packed, !run.isAtEnd {
        let value = try run.readVarint()
        packed = run
        return value
      }
      guard let tag = try reader.nextTag() else { return nil }
      switch tag {
      case field << 3: return try reader.readVarint()
      case field << 3 | 2: packed = ProtobufReader(try reader.readBytes())
      default: try reader.skip(tag)
      }
    }
  }
}
