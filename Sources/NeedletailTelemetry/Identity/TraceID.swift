/// A 128-bit W3C trace identifier; the high word holds the first eight bytes as a big-endian number.
@usableFromInline package struct TraceID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package static let byteCount = 16
  package static let none = TraceID(high: 0, low: 0)

  @usableFromInline package let high: UInt64
  @usableFromInline package let low: UInt64

  @inlinable package init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Reads 16 bytes; nil where there are not exactly 16.
  package init?(bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.byteCount else { return nil }
    high = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
    low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
  }

  /// Reads 1 to 32 hexadecimal digits of any case; shorter ones stand for an identifier with leading zeros.
  package init?(hexadecimal text: some StringProtocol) {
    guard (1...32).contains(text.utf8.count) else { return nil }
    let lowDigits = text.suffix(16)
    let highDigits = text.dropLast(lowDigits.count)
    guard text.utf8.allSatisfy(isHexadecimalDigit), let low = UInt64(lowDigits, radix: 16) else { return nil }
    self.low = low
    high = UInt64(highDigits, radix: 16) ?? 0
  }

  package var isValid: Bool { high != 0 || low != 0 }

  /// The hash by which the trace, of one tenant, is assigned to a slot and a bucket.
  package func key(in tenant: TenantID) -> Hash128 { key(tenantSeed: tenant.hashSeed) }

  /// The same, of the tenant with this `hashSeed`.
  func key(tenantSeed: UInt64) -> Hash128 {
    withUnsafeBytes(of: (high.littleEndian, low.littleEndian)) { Hash128.of($0, seed: tenantSeed) }
  }

  @inlinable package static func < (left: TraceID, right: TraceID) -> Bool {
    left.high != right.high ? left.high < right.high : left.low < right.low
  }

  /// 32 lower-case hexadecimal digits.
  @usableFromInline package var description: String { high.hexadecimal + low.hexadecimal }
}

/// A 64-bit W3C span identifier, as a big-endian number.
@usableFromInline package struct SpanID: Hashable, Comparable, Sendable, CustomStringConvertible {
  package static let byteCount = 8
  package static let none = SpanID(0)

  @usableFromInline package let value: UInt64

  @inlinable package init(_ value: UInt64) { self.value = value }

  /// Reads 8 bytes; nil where there are not exactly 8.
  package init?(bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.byteCount else { return nil }
    value = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
  }

  /// Reads 1 to 16 hexadecimal digits of any case.
  package init?(hexadecimal text: some StringProtocol) {
    guard (1...16).contains(text.utf8.count), text.utf8.allSatisfy(isHexadecimalDigit),
      let value = UInt64(text, radix: 16)
    else { return nil }
    self.value = value
  }

  package var isValid: Bool { value != 0 }

  @inlinable package static func < (left: SpanID, right: SpanID) -> Bool { left.value < right.value }

  /// 16 lower-case hexadecimal digits.
  @usableFromInline package var description: String { value.hexadecimal }
}

private func isHexadecimalDigit(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
    UInt8(ascii: "A")...UInt8(ascii: "F"):
    true
  default: false
  }
}
