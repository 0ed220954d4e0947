/// Series as Prometheus' remote write carries them: protobuf within Snappy's block format, with nothing compressed.
package struct RemoteWriteBody {
  private var message: [UInt8] = []

  package init() {}

  /// Adds a series; times are in milliseconds.
  package mutating func add(_ labels: [String: String], _ samples: [(time: Int64, value: Double)]) {
    var series: [UInt8] = []
    for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
      Self.field(1, Self.text(1, name) + Self.text(2, value), to: &series)
    }
    for sample in samples {
      var encoded: [UInt8] = [9]
      for shift in stride(from: UInt64(0), to: 64, by: 8) {
        encoded.append(UInt8(truncatingIfNeeded: sample.value.bitPattern >> shift))
      }
      encoded.append(16)
      Self.varint(UInt64(bitPattern: sample.time), to: &encoded)
      Self.field(2, encoded, to: &series)
    }
    Self.field(1, series, to: &message)
  }

  /// The body of the request.
  package var bytes: [UInt8] {
    var result: [UInt8] = []
    Self.varint(UInt64(message.count), to: &result)
    var rest = message[...]
    while !rest.isEmpty {
      let chunk = rest.prefix(60)
      result.append(UInt8(chunk.count - 1) << 2)
      result += chunk
      rest = rest.dropFirst(chunk.count)
    }
    return result
  }

  private static func varint(_ value: UInt64, to bytes: inout [UInt8]) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(value & 0x7f) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  private static func text(_ number: UInt8, _ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    field(number, Array(text.utf8), to: &bytes)
    return bytes
  }

  private static func field(_ number: UInt8, _ content: [UInt8], to bytes: inout [UInt8]) {
    bytes.append(number << 3 | 2)
    varint(UInt64(content.count), to: &bytes)
    bytes += content
  }
}
