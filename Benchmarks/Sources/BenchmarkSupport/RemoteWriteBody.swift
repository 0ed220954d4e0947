import CSnappyBench

/// Builds remote-write requests of one sample a series.
package struct RemoteWriteBody {
  private var request: [UInt8] = []
  private var output: [CChar] = []

  package init() {}

  /// Appends a label as a field of a TimeSeries message.
  package static func append(label name: String, _ value: String, to bytes: inout [UInt8]) {
    var label: [UInt8] = []
    append(1, Array(name.utf8)[...], to: &label)
    append(2, Array(value.utf8)[...], to: &label)
    append(1, label[...], to: &bytes)
  }

  /// Appends one series with one sample; `labels` are encoded label fields.
  package mutating func append(labels: ArraySlice<UInt8>, milliseconds: Int, value: Double) {
    let sampleLength = 10 + Self.varintLength(UInt64(milliseconds))
    request.append(0x0A)
    Self.append(varint: UInt64(labels.count + 2 + sampleLength), to: &request)
    request.append(contentsOf: labels)
    request.append(0x12)
    request.append(UInt8(truncatingIfNeeded: sampleLength))
    request.append(0x09)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { request.append(contentsOf: $0) }
    request.append(0x10)
    Self.append(varint: UInt64(milliseconds), to: &request)
  }

  /// The compressed request; the next one starts empty.
  package mutating func finish() throws(BenchmarkError) -> [UInt8] {
    defer { request.removeAll(keepingCapacity: true) }
    var length = snappy_max_compressed_length(request.count)
    if output.count < length { output = [CChar](repeating: 0, count: length) }
    let status = request.withUnsafeBytes { source in
      snappy_compress(source.assumingMemoryBound(to: CChar.self).baseAddress, source.count, &output, &length)
    }
    guard status == SNAPPY_OK else { throw BenchmarkError("snappy failed") }
    return output[..<length].withUnsafeBytes { Array($0) }
  }

  private static func varintLength(_ value: UInt64) -> Int { max(1, (70 - value.leadingZeroBitCount) / 7) }

  private static func append(varint value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  private static func append(_ number: UInt8, _ payload: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(number << 3 | 2)
    append(varint: UInt64(payload.count), to: &bytes)
    bytes.append(contentsOf: payload)
  }
}
