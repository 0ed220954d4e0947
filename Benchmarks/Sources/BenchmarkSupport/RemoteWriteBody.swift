import CSnappyBench

/// Builds remote-write requests of one sample or histogram a series.
package struct RemoteWriteBody {
  private var request: [UInt8] = []
  private var message: [UInt8] = []
  private var output: [CChar] = []

  package init() {}

  /// Appends a label as a field of a TimeSeries message.
  package static func append(label name: String, _ value: String, to bytes: inout [UInt8]) {
    var label: [UInt8] = []
    label.append(field: 1, Array(name.utf8)[...])
    label.append(field: 2, Array(value.utf8)[...])
    bytes.append(field: 1, label[...])
  }

  /// Appends one series with one sample; `labels` are encoded label fields.
  package mutating func append(labels: ArraySlice<UInt8>, milliseconds: Int, value: Double) {
    let sampleLength = 10 + Self.varintLength(UInt64(milliseconds))
    request.append(0x0A)
    request.append(varint: UInt64(labels.count + 2 + sampleLength))
    request.append(contentsOf: labels)
    request.append(0x12)
    request.append(UInt8(truncatingIfNeeded: sampleLength))
    request.append(number: 1, value)
    request.append(0x10)
    request.append(varint: UInt64(milliseconds))
  }

  /// Appends one series with one native histogram; `labels` are encoded label fields.
  package mutating func append(labels: ArraySlice<UInt8>, milliseconds: Int, histogram: IntegerHistogram) {
    message.removeAll(keepingCapacity: true)
    histogram.append(milliseconds: milliseconds, to: &message)
    var series = Array(labels)
    series.append(field: 4, message[...])
    request.append(field: 1, series[...])
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
}
