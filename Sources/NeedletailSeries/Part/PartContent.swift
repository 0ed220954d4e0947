import NeedletailBlocks
import NeedletailTelemetry

/// The files of a series part (docs/formats/series-part.md).
enum PartFileName {
  static let samples = "samples"
  static let histograms = "histograms"
  static let exemplars = "exemplars"
  static let times = "times"
  static let index = "index"
  static let content = "content"
}

/// What the blocks of a series part hold.
enum PartBlockKind {
  static let samples: UInt8 = 1
  static let histograms: UInt8 = 2
  static let exemplars: UInt8 = 3
  static let dictionary: UInt8 = 4
  static let postings: UInt8 = 5
  static let series: UInt8 = 6
  static let labels: UInt8 = 7
  static let slots: UInt8 = 8
  static let content: UInt8 = 9
  static let times: UInt8 = 10
}

/// The table of contents of a part: the one block of the file `content`.
struct PartContent: Sendable {
  /// Series `first..<first + count` are a tenant's.
  struct Tenant: Sendable {
    var tenant: TenantID
    var first: Int
    var count: Int

    /// The number behind its last series.
    var end: Int { first + count }
  }

  var tenants: [Tenant] = []
  var seriesCount = 0
  /// Blocks by kind, in order.
  var blocks: [UInt8: [BlockLocation]] = [:]
  /// The number of the first timestamp column of each block of them, ascending from 0.
  var timeFirsts: [UInt32] = []
  var metadata: [(MetricKey, MetricMetadata)] = []

  func blocks(_ kind: UInt8) -> [BlockLocation] { blocks[kind] ?? [] }

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.appendVarint(UInt64(seriesCount))
    writer.appendVarint(UInt64(tenants.count))
    for entry in tenants {
      writer.appendPrefixed(entry.tenant.description)
      writer.appendVarint(UInt64(entry.first))
      writer.appendVarint(UInt64(entry.count))
    }
    writer.appendVarint(UInt64(blocks.count))
    for kind in 0...UInt8.max where blocks[kind] != nil {
      writer.append(kind)
      writer.appendVarint(UInt64(blocks(kind).count))
      for location in blocks(kind) {
        writer.append(location.offset)
        writer.append(location.length)
      }
    }
    writer.appendAscending(timeFirsts.lazy.map { Int($0) })
    writer.appendVarint(UInt64(metadata.count))
    for (key, description) in metadata {
      writer.appendPrefixed(key.tenant.description)
      writer.appendPrefixed(key.name)
      writer.append(description.kind.rawValue)
      writer.appendPrefixed(description.unit)
      writer.appendPrefixed(description.help)
    }
    return writer.bytes
  }

  init() {}

  init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    var result: Result<PartContent, MalformedBytes> = .failure(.truncated)
    bytes.withUnsafeBytes { bytes in
      result = Result { () throws(MalformedBytes) in
        var reader = ByteReader(bytes)
        var content = PartContent()
        try content.decode(&reader)
        return content
      }
    }
    self = try result.get()
  }

  private mutating func decode(_ reader: inout ByteReader) throws(MalformedBytes) {
    seriesCount = try Self.number(&reader)
    for _ in 0..<(try Self.number(&reader)) {
      let tenant = try Self.tenant(&reader)
      let first = try Self.number(&reader)
      let count = try Self.number(&reader)
      guard first + count <= seriesCount else { throw .invalid("a tenant's series are out of bounds") }
      tenants.append(Tenant(tenant: tenant, first: first, count: count))
    }
    for _ in 0..<(try Self.number(&reader)) {
      let kind = try reader.read(UInt8.self)
      var locations: [BlockLocation] = []
      for _ in 0..<(try Self.number(&reader)) {
        let offset = try reader.read(UInt64.self)
        locations.append(BlockLocation(offset: offset, length: try reader.read(UInt32.self)))
      }
      blocks[kind] = locations
    }
    var first: UInt32 = 0
    for _ in 0..<(try Self.number(&reader)) {
      let (next, overflow) = first.addingReportingOverflow(UInt32(try Self.number(&reader)))
      guard !overflow else { throw .invalid("a timestamp column is out of bounds") }
      first = next
      timeFirsts.append(first)
    }
    for _ in 0..<(try Self.number(&reader)) {
      let tenant = try Self.tenant(&reader)
      let name = try reader.readPrefixedString()
      let kind = MetricMetadata.Kind(rawValue: try reader.read(UInt8.self)) ?? .unknown
      let unit = try reader.readPrefixedString()
      let description = MetricMetadata(kind: kind, unit: unit, help: try reader.readPrefixedString())
      metadata.append((MetricKey(tenant: tenant, name: name), description))
    }
    guard reader.isAtEnd else { throw .invalid("bytes left over") }
  }

  private static func number(_ reader: inout ByteReader) throws(MalformedBytes) -> Int {
    guard let number = UInt32(exactly: try reader.readVarint()) else { throw .invalid("a number is out of range") }
    return Int(number)
  }

  private static func tenant(_ reader: inout ByteReader) throws(MalformedBytes) -> TenantID {
    guard let tenant = TenantID(try reader.readPrefixedString()) else { throw .invalid("no valid tenant") }
    return tenant
  }
}

/// The fixed-size record of a series in a part.
struct PartSeriesRecord: Sendable {
  static let byteCount = 80

  var id: SeriesID
  /// Of samples and histograms, in ms; `minTime > maxTime` where there are only exemplars.
  var minTime: Int64
  var maxTime: Int64
  var startTimestamp: Int64
  /// Where its first run of samples lies.
  ///
  /// The following runs follow it, in the next block where one ends.
  var samples = RunPosition.none
  var sampleRuns: UInt32 = 0
  var histograms = RunPosition.none
  var histogramRuns: UInt32 = 0
  var labelsOffset: UInt32 = 0
  var slot: UInt16

  func encode(to writer: inout ByteWriter) {
    writer.append(id.hash)
    for time in [minTime, maxTime, startTimestamp] { writer.append(time) }
    for word in [
      samples.block, samples.offset, sampleRuns, histograms.block, histograms.offset, histogramRuns, labelsOffset,
    ] { writer.append(word) }
    writer.append(slot)
    writer.append(UInt16(0))
    writer.append(UInt64(0))
  }
}

extension PartSeriesRecord {
  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    id = SeriesID(try reader.readHash())
    minTime = try reader.read(Int64.self)
    maxTime = try reader.read(Int64.self)
    startTimestamp = try reader.read(Int64.self)
    samples = RunPosition(block: try reader.read(UInt32.self), offset: try reader.read(UInt32.self))
    sampleRuns = try reader.read(UInt32.self)
    histograms = RunPosition(block: try reader.read(UInt32.self), offset: try reader.read(UInt32.self))
    histogramRuns = try reader.read(UInt32.self)
    labelsOffset = try reader.read(UInt32.self)
    slot = try reader.read(UInt16.self)
    _ = try reader.read(count: 10)
  }
}
