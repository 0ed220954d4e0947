import NeedletailOTLP
import Testing

@Suite struct ProtobufReaderTests {
  /// Reads all fields, skipping their values.
  private func skipAll(_ bytes: [UInt8]) throws(ProtobufError) -> Int {
    var count = 0
    var failure: ProtobufError?
    bytes.withUnsafeBytes { buffer in
      var reader = ProtobufReader(buffer)
      do throws(ProtobufError) {
        while let tag = try reader.nextTag() {
          try reader.skip(tag)
          count += 1
        }
      } catch { failure = error }
    }
    if let failure { throw failure }
    return count
  }

  @Test("every kind of field is skipped by its length") func skips() throws {
    var writer = ProtobufWriter()
    writer.field(1, varint: .max)
    writer.field(2, fixed64: 7)
    writer.field(3, string: "text")
    writer.field(4, fixed32: 9)
    #expect(try skipAll(writer.bytes) == 4)
    #expect(try skipAll([]) == 0)
  }

  @Test("what is not protobuf is refused by name") func refuses() {
    #expect(throws: ProtobufError.truncated) { try skipAll([0x0a, 0x05, 0x01]) }
    #expect(throws: ProtobufError.truncated) { try skipAll([0x09, 0x01]) }
    #expect(throws: ProtobufError.truncated) { try skipAll([0x80]) }
    #expect(throws: ProtobufError.group) { try skipAll([0x0b, 0x0c]) }
    #expect(throws: ProtobufError.invalidTag) { try skipAll([0x00]) }
    #expect(throws: ProtobufError.invalidTag) { try skipAll([0x0e]) }
    #expect(throws: ProtobufError.varintTooLong) { try skipAll([0x08] + Array(repeating: 0xff, count: 10)) }
    // A length near 2^64 must not wrap around.
    #expect(throws: ProtobufError.truncated) { try skipAll([0x0a] + Array(repeating: 0xff, count: 9) + [0x01]) }
  }

  @Test("repeated numbers are read packed and unpacked") func packed() throws {
    var writer = ProtobufWriter()
    writer.field(6, fixed64: 1)
    writer.field(6, packedFixed64: [2, 3])
    writer.field(5, varint: 9)
    writer.field(6, fixed64: 4)
    let words = try writer.bytes.withUnsafeBytes { bytes in
      var cursor = ProtobufWordCursor(bytes, field: 6)
      var words: [UInt64] = []
      while let word = try cursor.next() { words.append(word) }
      return words
    }
    #expect(words == [1, 2, 3, 4])
  }
}
