import NeedletailBlocks
import NeedletailTelemetry

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
  /// How many label values there are.
  var valueCount = 0
  /// How many runs of samples have a summary.
  var summaryCount = 0
  /// Blocks by kind, in order.
  var blocks: [UInt8: [BlockLocation]] = [:]
  /// For some kinds the number of the first thing in each block, ascending: of samples, histograms the first byte among
  /// those of all blocks before compression; of times the first column; of summaries the first one; of dictionary and
  /// postings the first value.
  var firsts: [UInt8: [UInt64]] = [:]
  var metadata: [(MetricKey, MetricMetadata)] = []

  init() {}

  func blocks(_ kind: UInt8) -> [BlockLocation] { blocks[kind] ?? [] }

  /// The number of the block that a thing is in; `Int.max` where it is in none. O(log blocks).
  func block(of thing: UInt64, kind: UInt8) -> Int {
    guard let firsts = firsts[kind] else { return .max }
    var (low, high) = (0, firsts.count)
    while low < high {
      let middle = low + (high - low) / 2
      if firsts[middle] <= thing { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? .max : low - 1
  }

  /// The number of the first thing in a block.
  func first(ofBlock block: Int, kind: UInt8) -> UInt64 { firsts[kind].map { $0[block] } ?? 0 }

  /// The numbers of the things in a block, where `end` is behind those of the last one.
  func things(inBlock block: Int, kind: UInt8, end: Int) -> Range<Int> {
    guard let firsts = firsts[kind], block < firsts.count else { return 0..<0 }
    let first = Int(truncatingIfNeeded: firsts[block])
    let last = block + 1 < firsts.count ? Int(truncatingIfNeeded: firsts[block + 1]) : end
    return first..<max(first, last)
  }
}

// MARK: - Bytes

extension PartContent {
  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.appendVarint(UInt64(seriesCount))
    writer.appendVarint(UInt64(valueCount))
    writer.appendVarint(UInt64(summaryCount))
    writer.appendVarint(UInt64(tenants.count))
    for entry in tenants {
      writer.appendPrefixed(entry.tenant.description)
      writer.appendVarint(UInt64(entry.first))
      writer.appendVarint(UInt64(entry.count))
    }
    let kinds = (0...UInt8.max).filter { !blocks($0).isEmpty }
    writer.appendVarint(UInt64(kinds.count))
    for kind in kinds {
      writer.append(kind)
      writer.appendVarint(UInt64(blocks(kind).count))
      for location in blocks(kind) {
        writer.appendVarint(location.offset)
        writer.appendVarint(UInt64(location.length))
      }
      let firsts = firsts[kind] ?? []
      writer.append(UInt8(firsts.isEmpty ? 0 : 1))
      var previous: UInt64 = 0
      for first in firsts {
        writer.appendVarint(first - previous)
        previous = first
      }
    }
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
    valueCount = try Self.number(&reader)
    summaryCount = try Self.number(&reader)
    var next = 0
    for _ in 0..<(try reader.readCount(elementBytes: 3)) {
      let tenant = try Self.tenant(&reader)
      let first = try Self.number(&reader)
      let count = try Self.number(&reader)
      guard first == next, first + count <= seriesCount else { throw .invalid("a tenant's series are out of bounds") }
      next = first + count
      tenants.append(Tenant(tenant: tenant, first: first, count: count))
    }
    guard next == seriesCount else { throw .invalid("series are of no tenant") }
    for _ in 0..<(try reader.readCount()) { try decodeBlocks(&reader) }
    let seriesBlocks = (seriesCount + SeriesBlock.seriesMax - 1) / SeriesBlock.seriesMax
    guard blocks(PartBlockKind.series).count == seriesBlocks, blocks(PartBlockKind.labels).count == seriesBlocks else {
      throw .invalid("series are in no block")
    }
    for _ in 0..<(try reader.readCount(elementBytes: 5)) {
      let tenant = try Self.tenant(&reader)
      let name = try reader.readPrefixedString()
      let kind = MetricMetadata.Kind(rawValue: try reader.read(UInt8.self)) ?? .unknown
      let unit = try reader.readPrefixedString()
      let description = MetricMetadata(kind: kind, unit: unit, help: try reader.readPrefixedString())
      metadata.append((MetricKey(tenant: tenant, name: name), description))
    }
    guard reader.isAtEnd else { throw .invalid("bytes left over") }
  }

  private mutating func decodeBlocks(_ reader: inout ByteReader) throws(MalformedBytes) {
    let kind = try reader.read(UInt8.self)
    let count = try reader.readCount(elementBytes: 2)
    var locations: [BlockLocation] = []
    locations.reserveCapacity(count)
    for _ in 0..<count {
      let offset = try reader.readVarint()
      guard let length = UInt32(exactly: try reader.readVarint()) else { throw .invalid("a block is too long") }
      locations.append(BlockLocation(offset: offset, length: length))
    }
    blocks[kind] = locations
    guard try reader.read(UInt8.self) == 1 else { return }
    var numbers: [UInt64] = []
    numbers.reserveCapacity(count)
    var first: UInt64 = 0
    for _ in 0..<count {
      let (sum, overflow) = first.addingReportingOverflow(try reader.readVarint())
      guard !overflow, sum <= Self.firstMax(kind, valueCount: valueCount) else {
        throw .invalid("what a block begins with is out of bounds")
      }
      first = sum
      numbers.append(first)
    }
    firsts[kind] = numbers
  }

  private static func firstMax(_ kind: UInt8, valueCount: Int) -> UInt64 {
    kind == PartBlockKind.dictionary || kind == PartBlockKind.postings ? UInt64(valueCount) : UInt64(Int64.max)
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
