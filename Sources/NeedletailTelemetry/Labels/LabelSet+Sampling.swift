import CXXHash

extension LabelSet {
  /// Where the series stands between 0 and 1 when a share of all series is picked: as `limit_ratio` picks in Prometheus,
  /// so that both pick the same.
  ///
  /// That is XXH64 of names and values, each behind its length: one byte, or 255 and three bytes from 255 bytes on.
  package var samplingPosition: Double {
    var bytes: [UInt8] = []
    func append(_ text: UnsafeRawBufferPointer) {
      if text.count < 255 {
        bytes.append(UInt8(truncatingIfNeeded: text.count))
      } else {
        bytes.append(255)
        for shift in [0, 8, 16] { bytes.append(UInt8(truncatingIfNeeded: text.count >> shift)) }
      }
      bytes.append(contentsOf: text)
    }
    forEach { name, value in
      append(name)
      append(value)
    }
    return Double(bytes.withUnsafeBytes { cxxhash_xxh64($0.baseAddress, $0.count, 0) }) / Double(UInt64.max)
  }
}
