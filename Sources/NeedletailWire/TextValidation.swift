import NeedletailTelemetry

/// Whether `bytes` are well-formed UTF-8 (RFC 3629).
///
/// ASCII, which nearly all is, goes eight bytes at a time.
func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
  var index = 0
  let count = bytes.count
  while index < count {
    if count - index >= 8,
      bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
    {
      index += 8
      continue
    }
    let lead = bytes[index]
    if lead < 0x80 {
      index += 1
      continue
    }
    guard let length = sequenceLength(lead), count - index >= length else { return false }
    let second = bytes[index + 1]
    guard secondRange(lead).contains(second) else { return false }
    for tail in (index + 2)..<max(index + length, index + 2) where bytes[tail] & 0xc0 != 0x80 { return false }
    index += length
  }
  return true
}

private func sequenceLength(_ lead: UInt8) -> Int? {
  switch lead {
  case 0xc2...0xdf: 2
  case 0xe0...0xef: 3
  case 0xf0...0xf4: 4
  default: nil
  }
}

/// What may follow a lead byte: this keeps out overlong forms, surrogates and what lies above U+10FFFF.
private func secondRange(_ lead: UInt8) -> ClosedRange<UInt8> {
  switch lead {
  case 0xe0: 0xa0...0xbf
  case 0xed: 0x80...0x9f
  case 0xf0: 0x90...0xbf
  case 0xf4: 0x80...0x8f
  default: 0x80...0xbf
  }
}

extension ByteWriter {
  /// Appends text as it is; where it is not UTF-8, its broken parts become U+FFFD.
  mutating func appendText(_ bytes: UnsafeRawBufferPointer) {
    if isValidUTF8(bytes) { append(bytes) } else { append(String(decoding: bytes, as: UTF8.self).utf8) }
  }

  /// Appends length-prefixed text, repaired as `appendText` does.
  mutating func appendPrefixedText(_ bytes: UnsafeRawBufferPointer) {
    if isValidUTF8(bytes) { appendPrefixed(bytes) } else { appendPrefixed(String(decoding: bytes, as: UTF8.self)) }
  }
}
