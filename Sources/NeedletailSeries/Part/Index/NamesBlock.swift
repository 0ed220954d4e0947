import NeedletailTelemetry

/// The label names of a part with the numbers of their values, and the first value of each block of the dictionary.
struct NamesBlock: Sendable {
  struct Name: Sendable {
    var text: Range<Int>
    /// The numbers of its values.
    var values: Range<Int>
  }

  private let bytes: [UInt8]
  /// By tenant, then by text.
  let names: [Name]
  /// Each tenant's names.
  let tenants: [Range<Int>]
  private let firstTexts: [Range<Int>]

  var byteCount: Int { bytes.count + names.count * 32 + firstTexts.count * 16 }

  /// `counts` are those of the tenant's names in order, each with the number of its values.
  static func encode(
    tenants: [[(name: [UInt8], values: Int)]], firstTexts: [[UInt8]]
  ) -> [UInt8] {
    var writer = ByteWriter()
    for names in tenants {
      writer.appendVarint(UInt64(names.count))
      for name in names {
        name.name.withUnsafeBytes { writer.appendPrefixed($0) }
        writer.appendVarint(UInt64(name.values))
      }
    }
    for text in firstTexts { text.withUnsafeBytes { writer.appendPrefixed($0) } }
    return writer.bytes
  }

  init(decoding bytes: [UInt8], tenantCount: Int, dictionaryBlocks: Int, valueCount: Int) throws(MalformedBytes) {
    self.bytes = bytes
    var names: [Name] = []
    var tenants: [Range<Int>] = []
    var firstTexts: [Range<Int>] = []
    var problem: MalformedBytes?
    bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      do throws(MalformedBytes) {
        var value = 0
        for _ in 0..<tenantCount {
          let first = names.count
          for _ in 0..<(try reader.readCount(elementBytes: 2)) {
            let text = try Self.range(&reader)
            guard let count = Int(exactly: try reader.readVarint()), count <= valueCount - value else {
              throw .invalid("a name has more values than there are")
            }
            names.append(Name(text: text, values: value..<(value + count)))
            value += count
          }
          tenants.append(first..<names.count)
        }
        guard value == valueCount else { throw .invalid("values are of no name") }
        for _ in 0..<dictionaryBlocks { firstTexts.append(try Self.range(&reader)) }
        try reader.expectEnd()
      } catch { problem = error }
    }
    if let problem { throw problem }
    self.names = names
    self.tenants = tenants
    self.firstTexts = firstTexts
  }

  private static func range(_ reader: inout ByteReader) throws(MalformedBytes) -> Range<Int> {
    let count = try reader.readPrefixed().count
    return (reader.offset - count)..<reader.offset
  }

  @inline(__always) func withName<Result>(
    _ name: Name, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try bytes.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[name.text])) }
  }

  /// A tenant's name. O(log names).
  func find(_ wanted: String, tenant: Int) -> Name? {
    var wanted = wanted
    return wanted.withUTF8 { wanted in
      let wanted = UnsafeRawBufferPointer(wanted)
      var (low, high) = (tenants[tenant].lowerBound, tenants[tenant].upperBound)
      while low < high {
        let middle = low + (high - low) / 2
        let order = withName(names[middle]) { ByteOrder.compare($0, wanted) }
        if order == 0 { return names[middle] }
        if order < 0 { low = middle + 1 } else { high = middle }
      }
      return nil
    }
  }

  /// The index of the name that a value is of. O(log names).
  func name(ofValue number: Int) -> Int {
    var (low, high) = (0, names.count)
    while low < high {
      let middle = low + (high - low) / 2
      if names[middle].values.upperBound <= number { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The last of some blocks of the dictionary whose first value is not greater than `wanted`; the first of them where
  /// none is.
  func block(holding wanted: UnsafeRawBufferPointer, in blocks: Range<Int>) -> Int {
    var (low, high) = (blocks.lowerBound + 1, blocks.upperBound)
    while low < high {
      let middle = low + (high - low) / 2
      let isGreater = bytes.withUnsafeBytes { bytes in
        ByteOrder.compare(UnsafeRawBufferPointer(rebasing: bytes[firstTexts[middle]]), wanted) > 0
      }
      if isGreater { high = middle } else { low = middle + 1 }
    }
    return low - 1
  }
}
