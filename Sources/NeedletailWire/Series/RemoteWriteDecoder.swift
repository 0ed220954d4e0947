// Prometheus remote write 1.0 (https://prometheus.io/docs/specs/prw/remote_write_spec/): straight from the bytes of a
// WriteRequest into the columns of a batch. For a series that was seen before nothing is allocated and no label is
// looked at: the hash of its encoded labels, as they lie, finds its identity. Series with one sample, as nearly all
// are, go through a `RemoteWriteBlock`, all others one by one.

import NeedletailOTLP
import NeedletailTelemetry

/// Decodes remote write requests.
package enum RemoteWriteDecoder {
  /// Decodes an uncompressed WriteRequest.
  ///
  /// Series and samples that are not allowed are left out and counted.
  ///
  /// Throws where the bytes are not a WriteRequest; then nothing of it may be kept.
  package static func decode(
    _ body: UnsafeRawBufferPointer, _ decoding: SeriesDecoding
  ) throws(ProtobufError) -> DecodedSeries {
    try decode(body, decoding, inBlocks: !decoding.alwaysDefine)
  }

  /// `decode`, with or without the fast path; both come to the same.
  static func decode(
    _ body: UnsafeRawBufferPointer, _ decoding: SeriesDecoding, inBlocks: Bool
  ) throws(ProtobufError) -> DecodedSeries {
    var output = SeriesOutput(decoding, bodyBytes: body.count)
    var block = RemoteWriteBlock(seed: output.seed)
    var reader = ProtobufReader(body)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2:
        let series = try reader.readBytes()
        if inBlocks, block.take(series) {
          if block.isFull { try decodeBlock(&block, into: &output) }
        } else {
          try decodeBlock(&block, into: &output)
          try decodeSeries(series, into: &output)
        }
      case 3 << 3 | 2:
        try decodeBlock(&block, into: &output)
        try decodeMetadata(try reader.readBytes(), into: &output)
      default: try reader.skip(tag)
      }
    }
    try decodeBlock(&block, into: &output)
    return output.finish()
  }

  /// Puts the series of a block behind those before it, and empties it.
  private static func decodeBlock(
    _ block: inout RemoteWriteBlock, into output: inout SeriesOutput
  ) throws(ProtobufError) {
    guard block.count > 0 else { return }
    defer { block.removeAll() }
    guard output.hasRoom(forSamples: block.count) else {
      for index in 0..<block.count { try decodeSeries(block.series[index], into: &output) }
      return
    }
    let unknown = output.find(block)
    var start = 0
    while start < block.count {
      let run = min(block.count - start, (unknown >> UInt64(start)).trailingZeroBitCount)
      if run > 0 {
        output.append(block, start..<(start + run))
      } else if let id = try resolve(block.series[start], key: block.keys[start], pointCount: 1, into: &output) {
        output.append(block, start, id)
      }
      start += max(1, run)
    }
  }

  /// Where things lie in a TimeSeries.
  private struct Layout {
    var labels = UnsafeRawBufferPointer(start: nil, count: 0)
    var isScattered = false
    var samples = 0
    var histograms = 0
    var exemplars = 0

    init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
      var reader = ProtobufReader(bytes)
      var start = reader.address
      while let tag = try reader.nextTag() {
        switch tag {
        case 1 << 3 | 2:
          _ = try reader.readBytes()
          noteLabel(from: start, to: reader.address)
        case 2 << 3 | 2:
          _ = try reader.readBytes()
          samples += 1
        case 3 << 3 | 2:
          _ = try reader.readBytes()
          exemplars += 1
        case 4 << 3 | 2:
          _ = try reader.readBytes()
          histograms += 1
        default: try reader.skip(tag)
        }
        start = reader.address
      }
    }

    @inline(__always)
    private mutating func noteLabel(from start: UnsafeRawPointer, to end: UnsafeRawPointer) {
      if let first = labels.baseAddress {
        if first + labels.count != start { isScattered = true }
        labels = UnsafeRawBufferPointer(start: first, count: end - first)
      } else {
        labels = UnsafeRawBufferPointer(start: start, count: end - start)
      }
    }
  }

  private static func decodeSeries(
    _ bytes: UnsafeRawBufferPointer, into output: inout SeriesOutput
  ) throws(ProtobufError) {
    let layout = try Layout(bytes)
    let pointCount = layout.samples + layout.histograms
    guard pointCount + layout.exemplars > 0 else { return }
    guard output.hasRoom else {
      output.reject(.requestLimit, count: pointCount, "too many samples in a request")
      return
    }
    let key = layout.isScattered ? nil : RemoteWriteBlock.key(layout.labels, seed: output.seed)
    let resolved: SeriesID?
    if let known = output.known(key) {
      resolved = known
    } else {
      resolved = try resolve(bytes, key: key, pointCount: pointCount, into: &output)
    }
    guard let id = resolved else { return }
    output.builder.beginSeries(id)
    try decodeSamples(bytes, id, into: &output)
    if layout.histograms > 0 { try decodeHistograms(bytes, id, into: &output) }
    if layout.exemplars > 0 { try decodeExemplars(bytes, id, into: &output) }
    _ = output.cutIfLarge()
  }

  private static func resolve(
    _ bytes: UnsafeRawBufferPointer, key: Hash128?, pointCount: Int, into output: inout SeriesOutput
  ) throws(ProtobufError) -> SeriesID? {
    let definition: Definition
    if let (reason, detail) = try collectLabels(bytes, into: &output) {
      output.labels.removeAll()
      definition = .refused(reason, detail)
    } else {
      definition = output.define(key: key)
    }
    switch definition {
    case .series(let id): return id
    case .refused(let reason, let detail):
      // A series of exemplars alone has no sample to reject.
      if pointCount == 0 { output.warn(reason, detail) }
      output.reject(reason, count: pointCount, detail)
      return nil
    }
  }

  /// Puts the labels of a TimeSeries or an Exemplar (both have them as field 1) into the output's builder.
  private static func collectLabels(
    _ bytes: UnsafeRawBufferPointer, into output: inout SeriesOutput
  ) throws(ProtobufError) -> (RejectionReason, String)? {
    output.labels.removeAll()
    var total = 0
    var cursor = ProtobufFieldCursor(bytes, field: 1)
    while let label = try cursor.next() {
      var name = UnsafeRawBufferPointer(start: nil, count: 0)
      var value = UnsafeRawBufferPointer(start: nil, count: 0)
      var reader = ProtobufReader(label)
      while let tag = try reader.nextTag() {
        switch tag {
        case 1 << 3 | 2: name = try reader.readBytes()
        case 2 << 3 | 2: value = try reader.readBytes()
        default: try reader.skip(tag)
        }
      }
      if let problem = output.addLabel(name, value, total: &total) { return problem }
      if output.labels.count > output.decoding.limits.labelsMax {
        return (.labelLimit, "a series has more than \(output.decoding.limits.labelsMax) labels")
      }
    }
    return nil
  }

  private static func decodeSamples(
    _ bytes: UnsafeRawBufferPointer, _ id: SeriesID, into output: inout SeriesOutput
  ) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      guard tag == 2 << 3 | 2 else {
        try reader.skip(tag)
        continue
      }
      var sample = ProtobufReader(try reader.readBytes())
      var value: UInt64 = 0
      var time: Int64 = 0
      while let tag = try sample.nextTag() {
        switch tag {
        case 1 << 3 | 1: value = try sample.readFixed64()
        case 2 << 3: time = Int64(bitPattern: try sample.readVarint())
        default: try sample.skip(tag)
        }
      }
      guard output.hasRoom else {
        output.reject(.requestLimit, "too many samples in a request")
        continue
      }
      output.builder.append(timestamp: time, valueBits: value)
      output.decoded.sampleCount += 1
      if output.decoded.sampleCount & 0xffff == 0, output.cutIfLarge() { output.builder.beginSeries(id) }
    }
  }

  private static func decodeHistograms(
    _ bytes: UnsafeRawBufferPointer, _ id: SeriesID, into output: inout SeriesOutput
  ) throws(ProtobufError) {
    var cursor = ProtobufFieldCursor(bytes, field: 4)
    while let next = try cursor.next() {
      guard output.hasRoom else {
        output.reject(.requestLimit, "too many samples in a request")
        continue
      }
      switch try RemoteWriteHistogram.decode(next) {
      case .invalid(let why): output.reject(.invalidHistogram, why)
      case .valid(let histogram, let time):
        output.builder.append(timestamp: time, histogram: histogram)
        output.decoded.histogramCount += 1
        if output.cutIfLarge() { output.builder.beginSeries(id) }
      }
    }
  }

  private static func decodeExemplars(
    _ bytes: UnsafeRawBufferPointer, _ id: SeriesID, into output: inout SeriesOutput
  ) throws(ProtobufError) {
    var cursor = ProtobufFieldCursor(bytes, field: 3)
    while let next = try cursor.next() {
      guard output.hasRoom else {
        output.warn(.requestLimit, "too many samples and exemplars in a request")
        continue
      }
      var value = 0.0
      var time: Int64 = 0
      var reader = ProtobufReader(next)
      while let tag = try reader.nextTag() {
        switch tag {
        case 2 << 3 | 1: value = Double(bitPattern: try reader.readFixed64())
        case 3 << 3: time = Int64(bitPattern: try reader.readVarint())
        default: try reader.skip(tag)
        }
      }
      if let (_, detail) = try collectLabels(next, into: &output) {
        output.labels.removeAll()
        output.warn(.invalidExemplar, detail)
        continue
      }
      output.builder.append(
        exemplar: Exemplar(timestampMilliseconds: time, value: value, labels: output.labels.build()))
      output.decoded.exemplarCount += 1
      if output.cutIfLarge() { output.builder.beginSeries(id) }
    }
  }

  private static func decodeMetadata(
    _ bytes: UnsafeRawBufferPointer, into output: inout SeriesOutput
  ) throws(ProtobufError) {
    var kind: UInt64 = 0
    var texts: (name: String, help: String, unit: String) = ("", "", "")
    let textMax = output.decoding.limits.valueBytesMax
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3: kind = try reader.readVarint()
      case 2 << 3 | 2: texts.name = text(try reader.readBytes(), max: textMax)
      case 4 << 3 | 2: texts.help = text(try reader.readBytes(), max: textMax)
      case 5 << 3 | 2: texts.unit = text(try reader.readBytes(), max: textMax)
      default: try reader.skip(tag)
      }
    }
    guard !texts.name.isEmpty else { return }
    output.append(metric: texts.name, MetricMetadata(kind: metadataKind(kind), unit: texts.unit, help: texts.help))
  }

  private static func text(_ bytes: UnsafeRawBufferPointer, max: Int) -> String {
    String(decoding: bytes.prefix(max), as: UTF8.self)
  }

  private static func metadataKind(_ number: UInt64) -> MetricMetadata.Kind {
    switch number {
    case 1: .counter
    case 2: .gauge
    case 3: .histogram
    case 4: .gaugeHistogram
    case 5: .summary
    case 6: .info
    case 7: .stateset
    default: .unknown
    }
  }
}
