import NeedletailQueryEngine
import NeedletailTelemetry

/// The byte form of a list that one node answers another with: docs/formats/peer.md.
enum ListMessage {
  static let version: UInt8 = 1
  /// The largest list, in bytes.
  static let bytesMax = 64 << 20

  static func encode(_ list: Listing<String>) -> [UInt8] {
    encode(list.elements, list.coverage) { text, writer in writer.appendPrefixed(text) }
  }

  static func encode(_ list: Listing<LabelSet>) -> [UInt8] {
    encode(list.elements, list.coverage) { labels, writer in
      labels.withUnsafeBytes { writer.appendPrefixed($0) }
    }
  }

  static func encode(_ list: [NamedMetadata]) -> [UInt8] {
    encode(list, .complete) { entry, writer in
      writer.appendPrefixed(entry.metric)
      writer.append(entry.metadata.kind.rawValue)
      writer.appendPrefixed(entry.metadata.unit)
      writer.appendPrefixed(entry.metadata.help)
    }
  }

  static func encode(_ list: Listing<(labels: LabelSet, exemplar: Exemplar)>) -> [UInt8] {
    encode(list.elements, list.coverage) { element, writer in
      element.labels.withUnsafeBytes { writer.appendPrefixed($0) }
      writer.append(element.exemplar.timestampMilliseconds)
      writer.append(element.exemplar.value.bitPattern)
      element.exemplar.labels.withUnsafeBytes { writer.appendPrefixed($0) }
    }
  }

  /// Each reader refuses a list of more than `limit` elements: of empty ones a message could have as many as bytes.
  static func texts(_ bytes: [UInt8], _ limit: Int) throws(MalformedBytes) -> Listing<String> {
    try decode(bytes, limit) { reader throws(MalformedBytes) in try reader.readPrefixedString() }
  }

  static func labelSets(_ bytes: [UInt8], _ limit: Int) throws(MalformedBytes) -> Listing<LabelSet> {
    try decode(bytes, limit) { reader throws(MalformedBytes) in try LabelSet(validating: try reader.readPrefixed()) }
  }

  static func metadata(_ bytes: [UInt8], _ limit: Int) throws(MalformedBytes) -> [NamedMetadata] {
    try decode(bytes, limit) { reader throws(MalformedBytes) in
      let metric = try reader.readPrefixedString()
      guard let kind = MetricMetadata.Kind(rawValue: try reader.read(UInt8.self)) else {
        throw .invalid("an unknown kind of metric")
      }
      let unit = try reader.readPrefixedString()
      return NamedMetadata(
        metric: metric, metadata: MetricMetadata(kind: kind, unit: unit, help: try reader.readPrefixedString()))
    }.elements
  }

  static func exemplars(
    _ bytes: [UInt8], _ limit: Int
  ) throws(MalformedBytes) -> Listing<(labels: LabelSet, exemplar: Exemplar)> {
    try decode(bytes, limit) { reader throws(MalformedBytes) in
      let labels = try LabelSet(validating: try reader.readPrefixed())
      let time = try reader.read(Int64.self)
      let value = Double(bitPattern: try reader.read(UInt64.self))
      return (
        labels,
        Exemplar(
          timestampMilliseconds: time, value: value, labels: try LabelSet(validating: try reader.readPrefixed()))
      )
    }
  }

  private static func encode<Element>(
    _ elements: [Element], _ coverage: Coverage, _ write: (Element, inout ByteWriter) -> Void
  ) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(version)
    coverage.encode(to: &writer)
    writer.appendVarint(UInt64(elements.count))
    for element in elements { write(element, &writer) }
    return writer.bytes
  }

  private static func decode<Element>(
    _ bytes: [UInt8], _ limit: Int, _ read: (inout ByteReader) throws(MalformedBytes) -> Element
  ) throws(MalformedBytes) -> Listing<Element> {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a list of an unknown version") }
      let coverage = try Coverage(decoding: &reader)
      let count = try reader.readCount()
      guard count <= limit else { throw .invalid("more elements than were asked for") }
      var elements: [Element] = []
      for _ in 0..<count { elements.append(try read(&reader)) }
      return Listing(elements, coverage: coverage)
    }
  }
}

extension Coverage {
  /// What a node says of its own answer: whether it is whole, and what it could not read.
  func encode(to writer: inout ByteWriter) {
    writer.append(isComplete ? UInt8(1) : 0)
    writer.appendVarint(UInt64(failures.count))
    for failure in failures { writer.appendPrefixed(failure) }
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    let isComplete = try reader.read(UInt8.self) != 0
    let count = try reader.readCount()
    guard count <= Self.failuresMax else { throw .invalid("more failures than an answer tells") }
    var failures: [String] = []
    for _ in 0..<count { failures.append(try reader.readPrefixedString()) }
    self.init(failures: failures)
    if !isComplete { slotsAnswered = 0 }
  }
}
