/// A native histogram of whole numbers, as clients of Prometheus send it: buckets 2^(2^-schema) wide, above zero alone.
package struct IntegerHistogram: Sendable {
  package static let schema = 3
  /// Below it lies the zero bucket, which has nothing; what Prometheus' own clients have by default.
  private static let zeroThreshold = 0x1p-128

  /// The index of the first bucket.
  package var first: Int
  /// The counts of the buckets from the first one on, not cumulative.
  package var buckets: [Int64]
  package var sum = 0.0

  package init(first: Int, buckets: [Int64]) {
    self.first = first
    self.buckets = buckets
  }

  package var count: Int64 { buckets.reduce(0, +) }

  /// Appends the Histogram message of remote write. As a client does, it leaves empty buckets out where there are more than two of them.
  package func append(milliseconds: Int, to message: inout [UInt8]) {
    var spans: [UInt8] = []
    var deltas: [UInt8] = []
    var span = (offset: 0, length: 0)
    var next = 0
    var last: Int64 = 0
    func close() {
      guard span.length > 0 else { return }
      var bytes: [UInt8] = [0x08]
      bytes.append(varint: Self.zigzag(Int64(span.offset)))
      bytes.append(0x10)
      bytes.append(varint: UInt64(span.length))
      spans.append(field: 11, bytes[...])
    }
    for (place, bucket) in buckets.enumerated() where bucket > 0 {
      var gap = first + place - next
      if span.length == 0 || gap > 2 {
        close()
        span = (gap, 0)
        gap = 0
      }
      for filled in 0...gap {
        let value = filled == gap ? bucket : 0
        deltas.append(varint: Self.zigzag(value - last))
        last = value
      }
      span.length += gap + 1
      next = first + place + 1
    }
    close()
    message.append(0x08)
    message.append(varint: UInt64(count))
    message.append(number: 3, sum)
    message.append(0x20)
    message.append(varint: Self.zigzag(Int64(Self.schema)))
    message.append(number: 5, Self.zeroThreshold)
    message.append(contentsOf: [0x30, 0])
    message.append(contentsOf: spans)
    message.append(field: 12, deltas[...])
    message.append(0x78)
    message.append(varint: UInt64(milliseconds))
  }

  private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }
}
