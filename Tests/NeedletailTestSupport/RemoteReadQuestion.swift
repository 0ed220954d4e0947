/// A remote read request as a client sends it, written without any of our encoders.
package struct RemoteReadQuestion {
  /// The kinds of matcher by their numbers: =, !=, =~, !~.
  package typealias Matcher = (type: Int, name: String, value: String)

  private var message: [UInt8] = []

  /// A request that takes these types of answers: 0 for samples, 1 for chunks.
  package init(types: [UInt8] = []) { if !types.isEmpty { message += Self.field(2, types) } }

  /// Adds a query; times in ms.
  package mutating func add(_ start: Int64, _ end: Int64, _ matchers: [Matcher]) {
    var query = [8] + Self.varint(UInt64(bitPattern: start)) + [16] + Self.varint(UInt64(bitPattern: end))
    for matcher in matchers {
      query += Self.field(
        3,
        [8, UInt8(matcher.type)] + Self.field(2, Array(matcher.name.utf8)) + Self.field(3, Array(matcher.value.utf8)))
    }
    message += Self.field(1, query)
  }

  /// The body: one snappy block with nothing compressed.
  package var body: [UInt8] {
    var block = Self.varint(UInt64(message.count))
    var rest = message[...]
    while !rest.isEmpty {
      let piece = rest.prefix(60)
      block += [UInt8(piece.count - 1) << 2] + piece
      rest = rest.dropFirst(piece.count)
    }
    return block
  }

  private static func varint(_ value: UInt64) -> [UInt8] {
    value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7f) | 0x80] + varint(value >> 7)
  }

  private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    [number << 3 | 2] + varint(UInt64(bytes.count)) + bytes
  }
}
