import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

/// A part's inverted index, of which only the blocks are read that a question needs.
///
/// A block that cannot be read is noted, and what was asked for is answered without it: whoever asks looks at
/// `takeDamage` before he believes an answer.
final class PartIndex: Sendable {
  let part: SeriesPart
  let cache: PartBlockCache?
  private let deletions: PartDeletions?
  private let noted = Lock<SeriesDamage?>(nil)

  /// Without a cache every block is read anew, as a merge does, which reads each once.
  ///
  /// `deletions` are those that apply to the part.
  init(_ part: SeriesPart, cache: PartBlockCache? = nil, deletions: PartDeletions? = nil) {
    self.part = part
    self.cache = cache
    self.deletions = deletions
  }

  /// What of the part is deleted; throws where the index cannot tell.
  func deleted() throws(SeriesDamage) -> DeletedSeries {
    guard let deletions else { return DeletedSeries() }
    return try deletions.series(in: self)
  }

  var content: PartContent { part.content }

  /// The first damage that was met since the last call.
  func takeDamage() -> SeriesDamage? {
    noted.withLock { noted in
      defer { noted = nil }
      return noted
    }
  }

  fileprivate func noting<Result>(
    _ otherwise: Result, _ body: () throws(SeriesDamage) -> Result
  ) -> Result {
    do throws(SeriesDamage) {
      return try body()
    } catch {
      noted.withLock { [error] noted in if noted == nil { noted = error } }
      return otherwise
    }
  }

  // MARK: - Blocks

  private func block(
    _ kind: UInt8, _ number: Int, _ decode: ([UInt8]) throws(MalformedBytes) -> PartBlock
  ) throws(SeriesDamage) -> PartBlock {
    func read() throws(SeriesDamage) -> PartBlock {
      let bytes = try part.block(number, kind: kind)
      do throws(MalformedBytes) {
        return try decode(bytes)
      } catch {
        throw part.damage("\(error)", kind: kind, block: number)
      }
    }
    guard let cache else { return try read() }
    return try cache.block(PartBlockCache.Key(part: part.record.id, kind: kind, number: number), read)
  }

  private func contradiction(_ kind: UInt8) -> SeriesDamage { part.damage("a block is of another kind", kind: kind) }

  func names() throws(SeriesDamage) -> NamesBlock {
    let found = try block(PartBlockKind.names, 0) { bytes throws(MalformedBytes) in
      .names(
        try NamesBlock(
          decoding: bytes, tenantCount: content.tenants.count,
          dictionaryBlocks: content.blocks(PartBlockKind.dictionary).count, valueCount: content.valueCount))
    }
    guard case .names(let names) = found else { throw contradiction(PartBlockKind.names) }
    return names
  }

  /// The block of the dictionary with this number.
  func dictionary(_ number: Int) throws(SeriesDamage) -> DictionaryBlock {
    let kind = PartBlockKind.dictionary
    let found = try block(kind, number) { bytes throws(MalformedBytes) in
      let range = content.things(inBlock: number, kind: kind, end: content.valueCount)
      return .dictionary(
        try decoding(bytes) { bytes throws(MalformedBytes) in
          try DictionaryBlock(decoding: bytes, first: range.lowerBound, count: range.count)
        })
    }
    guard case .dictionary(let dictionary) = found else { throw contradiction(kind) }
    return dictionary
  }

  private func postings(ofValue value: Int) throws(SeriesDamage) -> PostingsBlock {
    let kind = PartBlockKind.postings
    let number = content.block(of: UInt64(value), kind: kind)
    let found = try block(kind, number) { bytes throws(MalformedBytes) in
      let range = content.things(inBlock: number, kind: kind, end: content.valueCount)
      return .postings(try PostingsBlock(decoding: bytes, first: range.lowerBound, count: range.count))
    }
    guard case .postings(let postings) = found, postings.numbers.contains(value) else { throw contradiction(kind) }
    return postings
  }

  private func seriesCount(inBlock number: Int) -> Int {
    max(0, min(SeriesBlock.seriesMax, content.seriesCount - number * SeriesBlock.seriesMax))
  }

  func series(_ number: Int) throws(SeriesDamage) -> SeriesBlock {
    let found = try block(PartBlockKind.series, number) { bytes throws(MalformedBytes) in
      .series(
        try decoding(bytes) { bytes throws(MalformedBytes) in
          try SeriesBlock(decoding: bytes, count: seriesCount(inBlock: number))
        })
    }
    guard case .series(let series) = found else { throw contradiction(PartBlockKind.series) }
    return series
  }

  func labels(_ number: Int) throws(SeriesDamage) -> LabelBlock {
    let found = try block(PartBlockKind.labels, number) { bytes throws(MalformedBytes) in
      .labels(
        try decoding(bytes) { bytes throws(MalformedBytes) in
          try LabelBlock(decoding: bytes, count: seriesCount(inBlock: number), valueCount: content.valueCount)
        })
    }
    guard case .labels(let labels) = found else { throw contradiction(PartBlockKind.labels) }
    return labels
  }

  private func decoding<Result>(
    _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(MalformedBytes) -> Result
  ) throws(MalformedBytes) -> Result {
    var result: Swift.Result<Result, MalformedBytes> = .failure(.truncated)
    bytes.withUnsafeBytes { bytes in
      result = Swift.Result { () throws(MalformedBytes) in try body(bytes) }
    }
    return try result.get()
  }

  // MARK: - Slots

  /// The numbers of a slot's series, ascending: what streams a slot to another node reads.
  func series(inSlot wanted: UInt16) throws(SeriesDamage) -> [Int] {
    let bytes = try part.section(PartBlockKind.slots)
    do throws(MalformedBytes) {
      return try decoding(bytes) { bytes throws(MalformedBytes) in
        var found: [Int] = []
        var reader = ByteReader(bytes)
        while !reader.isAtEnd {
          let slot = try reader.readVarint()
          var number: UInt64 = 0
          for _ in 0..<(try reader.readCount()) {
            number &+= try reader.readVarint()
            guard number < UInt64(content.seriesCount) else { throw .invalid("a series is out of bounds") }
            if slot == UInt64(wanted) { found.append(Int(number)) }
          }
        }
        return found
      }
    } catch {
      throw part.damage("\(error)", kind: PartBlockKind.slots)
    }
  }

  func view(of tenant: TenantID) -> PartIndexView? {
    content.tenants.firstIndex { $0.tenant == tenant }.map { PartIndexView(index: self, tenant: $0) }
  }
}

/// A part's index as one tenant sees it.
struct PartIndexView: SeriesIndexView {
  let index: PartIndex
  let tenant: Int

  var universe: Int { index.content.seriesCount }

  func insertAll(into set: inout SeriesBitmap) {
    let entry = index.content.tenants[tenant]
    set.insert(entry.first..<entry.end)
  }

  func forEachName(_ body: (UnsafeRawBufferPointer) -> Void) {
    index.noting(()) { () throws(SeriesDamage) in
      let names = try index.names()
      for name in names.names[names.tenants[tenant]] { names.withName(name, body) }
    }
  }

  func forEachValue(of name: String, _ body: (UnsafeRawBufferPointer, Int) -> Void) {
    index.noting(()) { () throws(SeriesDamage) in
      guard let found = try index.names().find(name, tenant: tenant) else { return }
      try forEachValue(found.values, body)
    }
  }

  /// Calls `body` with the values of a name that begin with a text.
  func forEachValue(
    of name: String, from prefix: [UInt8], _ body: (UnsafeRawBufferPointer, Int) -> Void
  ) {
    index.noting(()) { () throws(SeriesDamage) in
      let names = try index.names()
      guard let found = names.find(name, tenant: tenant) else { return }
      let first = try firstNumber(notBefore: prefix, in: found.values, names)
      try forEachValue(first..<found.values.upperBound) { value, number in
        guard value.starts(with: prefix) else { return false }
        body(value, number)
        return true
      }
    }
  }

  private func forEachValue(
    _ values: Range<Int>, _ body: (UnsafeRawBufferPointer, Int) -> Void
  ) throws(SeriesDamage) {
    try forEachValue(values) { value, number in
      body(value, number)
      return true
    }
  }

  /// Ends where `body` returns false.
  private func forEachValue(
    _ values: Range<Int>, _ body: (UnsafeRawBufferPointer, Int) -> Bool
  ) throws(SeriesDamage) {
    var next = values.lowerBound
    while next < values.upperBound {
      let block = try index.dictionary(index.content.block(of: UInt64(next), kind: PartBlockKind.dictionary))
      let range = next..<min(values.upperBound, block.numbers.upperBound)
      // What the table of contents says of a block is what it was decoded by.
      guard block.numbers.contains(next) else { return }
      for number in range where !block.withText(number, { body($0, number) }) { return }
      next = range.upperBound
    }
  }

  func number(of value: String, name: String) -> Int? {
    index.noting(nil) { () throws(SeriesDamage) in
      let names = try index.names()
      guard let found = names.find(name, tenant: tenant) else { return nil }
      let wanted = Array(value.utf8)
      guard !found.values.isEmpty else { return nil }
      let block = try block(holding: wanted, in: found.values, names)
      let number = firstNumber(notBefore: wanted, in: found.values, of: block)
      // Behind a block's last value lies none that is equal: the next block begins with a greater one.
      guard found.values.contains(number), block.numbers.contains(number) else { return nil }
      return block.withText(number) { $0.elementsEqual(wanted) } ? number : nil
    }
  }

  /// Binary search among a name's values, which reads one block of the dictionary.
  private func firstNumber(
    notBefore wanted: [UInt8], in values: Range<Int>, _ names: NamesBlock
  ) throws(SeriesDamage) -> Int {
    guard !values.isEmpty else { return values.lowerBound }
    return firstNumber(notBefore: wanted, in: values, of: try block(holding: wanted, in: values, names))
  }

  private func firstNumber(notBefore wanted: [UInt8], in values: Range<Int>, of block: DictionaryBlock) -> Int {
    let range = values.clamped(to: block.numbers)
    return wanted.withUnsafeBytes { block.firstNumber(notBefore: $0, in: range) }
  }

  /// The block of the dictionary that has a text, if one of the values has.
  private func block(
    holding wanted: [UInt8], in values: Range<Int>, _ names: NamesBlock
  ) throws(SeriesDamage) -> DictionaryBlock {
    let first = index.content.block(of: UInt64(values.lowerBound), kind: PartBlockKind.dictionary)
    let last = index.content.block(of: UInt64(values.upperBound - 1), kind: PartBlockKind.dictionary)
    return try index.dictionary(wanted.withUnsafeBytes { names.block(holding: $0, in: first..<(last + 1)) })
  }

  func insertSeries(withValue number: Int, into set: inout SeriesBitmap) {
    // The closure may not borrow what the caller lends.
    var result = set
    set = SeriesBitmap(universe: 0)
    index.insertSeries(withValue: number, into: &result)
    set = result
  }

  /// How many series have a value.
  func memberCount(ofValue number: Int) -> Int? { index.memberCount(ofValue: number) }

  /// How many names there are; 0 where that cannot be read.
  var nameCount: Int {
    index.noting(0) { () throws(SeriesDamage) in try index.names().tenants[tenant].count }
  }

  /// How many values a name has.
  func valueCount(of name: String) -> Int? {
    index.noting(nil) { () throws(SeriesDamage) in
      try index.names().find(name, tenant: tenant)?.values.count ?? 0
    }
  }
}

extension PartIndex {
  fileprivate func memberCount(ofValue number: Int) -> Int? {
    noting(nil) { () throws(SeriesDamage) in try postings(ofValue: number).memberCount(ofValue: number) }
  }

  fileprivate func insertSeries(withValue number: Int, into set: inout SeriesBitmap) {
    noting(()) { () throws(SeriesDamage) in
      let block = try postings(ofValue: number)
      do throws(MalformedBytes) {
        try block.insertSeries(withValue: number, into: &set)
      } catch {
        throw part.damage("\(error)", kind: PartBlockKind.postings)
      }
    }
  }
}
