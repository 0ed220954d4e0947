import NeedletailTelemetry

/// Sorted pairs of a key and a block's number: the form of a page of the trace index and of the slot index.
///
/// For each key: the distance to the previous key, the number of its blocks, and the distances between their numbers,
/// all varints.
struct KeyedBlocks {
  struct Pair: Hashable, Comparable {
    var key: UInt64
    var block: UInt32

    static func < (left: Pair, right: Pair) -> Bool {
      left.key != right.key ? left.key < right.key : left.block < right.block
    }
  }

  /// Writes pairs, which are sorted and distinct.
  static func encode(_ pairs: ArraySlice<Pair>) -> [UInt8] {
    var writer = ByteWriter()
    var index = pairs.startIndex
    var previousKey: UInt64 = 0
    while index < pairs.endIndex {
      var end = index
      while end < pairs.endIndex, pairs[end].key == pairs[index].key { end += 1 }
      writer.appendVarint(pairs[index].key - previousKey)
      previousKey = pairs[index].key
      writer.appendVarint(UInt64(end - index))
      var previousBlock: UInt32 = 0
      for pair in pairs[index..<end] {
        writer.appendVarint(UInt64(pair.block - previousBlock))
        previousBlock = pair.block
      }
      index = end
    }
    return writer.bytes
  }

  /// The blocks of `key`, each below `blockCount`.
  static func blocks(of key: UInt64, in bytes: UnsafeRawBufferPointer, blockCount: Int) throws(MalformedBytes) -> [Int]
  {
    var reader = ByteReader(bytes)
    var current: UInt64 = 0
    while !reader.isAtEnd {
      let (next, overflow) = current.addingReportingOverflow(try reader.readVarint())
      guard !overflow else { throw .invalid("keys overflow") }
      current = next
      let count = try reader.readVarint()
      guard count <= UInt64(reader.remaining) else { throw .truncated }
      var blocks: [Int] = []
      var block = 0
      for _ in 0..<count {
        guard let delta = Int(exactly: try reader.readVarint()), delta < blockCount - block else {
          throw .invalid("an index names no block")
        }
        block += delta
        if current == key { blocks.append(block) }
      }
      if current == key { return blocks }
      if current > key { return [] }
    }
    return []
  }
}

extension TraceID {
  /// The key of a trace in a part's trace index: a hash, since senders choose the identifiers.
  ///
  /// Different traces may share a key.
  var indexKey: UInt64 {
    withUnsafeBytes(of: (high.littleEndian, low.littleEndian)) { xxHash64($0) }
  }
}
