import NeedletailTelemetry

/// What a remote read answer of streamed chunks says, read back without any knowledge of the writer: from the
/// documentation of Prometheus' protocol and of its chunks.
package struct RemoteReadChunks {
  package struct Malformed: Error, CustomStringConvertible {
    package let description: String
  }

  package struct Chunk: Equatable {
    package var first: Int64
    package var last: Int64
    package var encoding: UInt64
    package var bytes: [UInt8]
  }

  package struct Series {
    package var query = 0
    package var labels: [String: String] = [:]
    /// In the order in which they came.
    package var chunks: [Chunk] = []

    /// The floats of all chunks of floats.
    package func floats() throws -> [(time: Int64, value: Double)] {
      try chunks.filter { $0.encoding == 1 }.flatMap { try ChunkReader.floats($0.bytes) }
    }

    /// The histograms of all chunks of float histograms.
    package func histograms() throws -> [(time: Int64, histogram: NativeHistogram)] {
      try chunks.filter { $0.encoding == 3 }.flatMap { try ChunkReader.histograms($0.bytes) }
    }
  }

  /// Neighbouring frames of one series are one.
  package private(set) var series: [Series] = []
  package private(set) var frameCount = 0

  /// Reads frames one behind the other: length, checksum, message.
  package init(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      var (length, shift) = (0, 0)
      while let byte = rest.popFirst() {
        length |= Int(byte & 0x7f) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      guard rest.count >= 4 + length else { throw Malformed(description: "a frame is cut off") }
      let checksum = rest.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let message = Array(rest.dropFirst(4).prefix(length))
      guard Self.checksum(message) == checksum else { throw Malformed(description: "a checksum is wrong") }
      try add(message)
      frameCount += 1
      rest = rest.dropFirst(4 + length)
    }
  }

  /// CRC-32C, bit by bit.
  package static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var value = UInt32.max
    for byte in bytes {
      value ^= UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82f6_3b78 : value >> 1 }
    }
    return ~value
  }

  private mutating func add(_ message: [UInt8]) throws {
    var found = Series()
    for (number, value) in try WireTree(message).fields {
      switch (number, value) {
      case (1, .bytes(let bytes)):
        for (number, value) in try WireTree(bytes).fields {
          guard case .bytes(let inner) = value else { throw Malformed(description: "a field is of another type") }
          if number == 1 { try Self.addLabel(inner, to: &found) }
          if number == 2 { found.chunks.append(try Self.chunk(inner)) }
        }
      case (2, .varint(let index)): found.query = Int(index)
      default: throw Malformed(description: "field \(number) is unknown")
      }
    }
    if let last = series.last, last.labels == found.labels, last.query == found.query {
      series[series.count - 1].chunks += found.chunks
    } else {
      series.append(found)
    }
  }

  private static func addLabel(_ bytes: [UInt8], to series: inout Series) throws {
    var texts = ["", ""]
    for (number, value) in try WireTree(bytes).fields {
      if case .bytes(let text) = value { texts[Int(number) - 1] = String(decoding: text, as: UTF8.self) }
    }
    series.labels[texts[0]] = texts[1]
  }

  private static func chunk(_ bytes: [UInt8]) throws -> Chunk {
    var chunk = Chunk(first: 0, last: 0, encoding: 0, bytes: [])
    for (number, value) in try WireTree(bytes).fields {
      switch (number, value) {
      case (1, .varint(let time)): chunk.first = Int64(bitPattern: time)
      case (2, .varint(let time)): chunk.last = Int64(bitPattern: time)
      case (3, .varint(let encoding)): chunk.encoding = encoding
      case (4, .bytes(let bytes)): chunk.bytes = bytes
      default: throw Malformed(description: "field \(number) of a chunk is unknown")
      }
    }
    return chunk
  }
}
