import NeedletailEnvironment
import NeedletailSimulation

@testable import NeedletailBlocks
@testable import NeedletailEvents
@testable import NeedletailSeries
@testable import NeedletailTelemetry

// What lies on a disk or comes from another node: the bytes behind the checksums, which may have been written by a bug
// of ours or by somebody with a hand on the disk. Checksums are made good, so that the fuzzer gets past them.

extension FuzzTarget {
  static let formats = [
    FuzzTarget(name: "frame") { data, count in
      withChecksum(fuzzBytes(data, count)) { bytes in
        guard let frame = try? Frame(validating: bytes) else { return }
        if let batch = try? SeriesBatch(validating: frame) { batch.withRows { try? $0.checkAttachments() } }
        if let definitions = try? SeriesDefinitions(validating: frame) {
          try? definitions.forEachSeries { _, _ in }
          try? definitions.forEachMetric { _, _ in }
        }
        _ = try? EventBatch(validating: frame)
      }
      return 0
    },
    FuzzTarget(name: "labels") { data, count in
      guard let labels = try? LabelSet(validating: fuzzBytes(data, count)) else { return 0 }
      var builder = LabelSetBuilder()
      labels.forEach { builder.set($0, $1) }
      precondition(builder.build() == labels, "canonical labels changed")
      return 0
    },
    FuzzTarget(name: "histogram") { data, count in
      var reader = ByteReader(fuzzBytes(data, count))
      guard let histogram = try? NativeHistogram(decoding: &reader) else { return 0 }
      var writer = ByteWriter()
      histogram.encode(to: &writer)
      _ = histogram.adding(histogram)
      return 0
    },
    FuzzTarget(name: "columns") { data, count in
      let bytes = fuzzBytes(data, count)
      var times: [Int64] = []
      var one = ByteReader(bytes)
      try? TimestampColumn.decode(&one, countMax: 1 << 16, to: &times)
      var values: [Double] = []
      var other = ByteReader(bytes)
      try? DoubleColumn.decode(&other, countMax: 1 << 16, to: &values)
      return 0
    },
    FuzzTarget(name: "column-round-trip") { data, count in
      let words = (0..<count / 8).map {
        fuzzBytes(data, count).loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)
      }
      checkRoundTrip(words)
      return 0
    },
    FuzzTarget(name: "histogram-column") { data, count in
      var size = 0
      try? HistogramColumn.decodeBytes(fuzzBytes(data, count), from: -1000, to: .max) { size += $1.count }
      precondition(size <= max(count, HistogramColumn.bytesMax), "more than a column may hold")
      try? HistogramColumn.decode(fuzzBytes(data, count), from: .min, to: .max) { _, _ in }
      return 0
    },
    FuzzTarget(name: "histogram-column-round-trip") { data, count in
      checkHistograms(fuzzBytes(data, count))
      return 0
    },
    FuzzTarget(name: "part-header") { data, count in
      _ = try? PartHeader.decode(Array(fuzzBytes(data, count)))
      return 0
    },
    FuzzTarget(name: "catalog-content") { data, count in
      let bytes = sealed(Array(fuzzBytes(data, count)))
      guard let content = CatalogContent(encoded: bytes) else { return 0 }
      precondition(content.encoded() == bytes, "one content in two forms")
      return 0
    },
    FuzzTarget(name: "part-deletions") { data, count in
      _ = PartDeletionsFile.decode(sealed(Array(fuzzBytes(data, count))), of: PartID(5))
      return 0
    },
    FuzzTarget(name: "series-part-content") { data, count in
      _ = try? PartContent(decoding: Array(fuzzBytes(data, count)))
      return 0
    },
    FuzzTarget(name: "series-part-digests") { data, count in
      // The times of an hour, in ms.
      _ = try? TimedDigest.decode(fuzzBytes(data, count), 0...3_599_999)
      return 0
    },
    FuzzTarget(name: "series-run-starts") { data, count in
      let bytes = fuzzBytes(data, count)
      guard bytes.count >= 2 else { return 0 }
      let samples = Int(bytes[0]) << 8 | Int(bytes[1])
      let starts = try? RunStarts.decode(UnsafeRawBufferPointer(rebasing: bytes[2...]), count: samples)
      precondition((starts?.marks.count ?? 0) <= samples, "more starts than samples")
      return 0
    },
    FuzzTarget(name: "series-deletion") { data, count in
      _ = try? SeriesDeletion(decoding: Array(fuzzBytes(data, count)))
      return 0
    },
    FuzzTarget(name: "log-segment") { data, count in
      scanSegment(Array(fuzzBytes(data, count)))
      return 0
    },
    FuzzTarget(name: "zstd-block") { data, count in
      guard let bytes = try? Zstd.decompress(fuzzBytes(data, count), maxBytes: 1 << 20) else { return 0 }
      precondition(bytes.count <= 1 << 20, "more than what was allowed")
      return 0
    },
  ]
}

/// The bytes with their checksum at the end.
private func sealed(_ bytes: [UInt8]) -> [UInt8] {
  var bytes = bytes
  bytes.appendInteger(Checksum.of(bytes))
  return bytes
}

/// Lends a copy of the bytes with the checksum that a frame of them has.
private func withChecksum(_ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
  guard bytes.count >= Frame.headerBytes else { return body(bytes) }
  var copy = Array(bytes)
  let checksum = copy.withUnsafeBytes { Frame.checksum(of: $0) }
  copy.withUnsafeMutableBytes {
    $0.storeBytes(of: checksum.littleEndian, toByteOffset: Frame.checksumOffset, as: UInt64.self)
  }
  copy.withUnsafeBytes(body)
}

/// Columns of any values must come back to the bit.
private func checkRoundTrip(_ words: [UInt64]) {
  let times = words.map { Int64(bitPattern: $0) }
  var encoded: [UInt8] = []
  times.withUnsafeBufferPointer { TimestampColumn.encode($0, to: &encoded) }
  var decodedTimes: [Int64] = []
  encoded.withUnsafeBytes { bytes in
    var reader = ByteReader(bytes)
    try? TimestampColumn.decode(&reader, to: &decodedTimes)
  }
  precondition(decodedTimes == times, "timestamps changed")
  let values = words.map { Double(bitPattern: $0) }
  encoded.removeAll()
  values.withUnsafeBufferPointer { DoubleColumn.encode($0, to: &encoded) }
  var decodedValues: [Double] = []
  encoded.withUnsafeBytes { bytes in
    var reader = ByteReader(bytes)
    try? DoubleColumn.decode(&reader, to: &decodedValues)
  }
  precondition(decodedValues.map(\.bitPattern) == words, "values changed")
}

/// A column of whatever histograms a list has must come back to the byte.
private func checkHistograms(_ list: UnsafeRawBufferPointer) {
  var reader = ByteReader(list)
  var (times, bytes, ends): ([Int64], [UInt8], [Int]) = ([], [], [])
  try? HistogramList.forEach(&reader) { (time, histogram) throws(MalformedBytes) in
    var check = ByteReader(histogram)
    _ = try NativeHistogram(decoding: &check)
    times.append(time)
    bytes += histogram
    ends.append(bytes.count)
  }
  var column: [UInt8] = []
  times.withUnsafeBufferPointer { times in
    bytes.withUnsafeBytes { bytes in
      ends.withUnsafeBufferPointer { ends in
        HistogramColumn.encode(HistogramRows(times: times, bytes: bytes, ends: ends), to: &column)
      }
    }
  }
  var (decodedTimes, decoded): ([Int64], [UInt8]) = ([], [])
  column.withUnsafeBytes { column in
    try? HistogramColumn.decodeBytes(column, from: .min, to: .max) { time, histogram in
      decodedTimes.append(time)
      decoded += histogram
    }
  }
  precondition(decodedTimes == times && decoded == bytes, "histograms changed")
}

/// Walks a segment of the log whose header is whole and whose rest is anything.
private func scanSegment(_ bytes: [UInt8]) {
  let seal = LogSeal(salt: 1)
  let segment = LogSegmentID(generation: 1, number: 0)
  let disk = FaultyFileSystem(seed: 1)
  do {
    try disk.createDirectory("/log")
    let file = try disk.open("/log/segment", .create)
    try file.write(LogSegmentHeader(segment: segment, firstSequence: 1).encoded(seal) + bytes, at: 0)
    var scanner = try LogScanner("/log/segment", segment: segment, seal, on: disk)
    while try scanner.next() != .end {}
  } catch {
    preconditionFailure("a segment cannot be walked through: \(error)")
  }
}
