import NeedletailTelemetry

/// Reads records and labels of a part's series, mostly in ascending order, and keeps the blocks that it read last.
struct PartSeriesReader: Sendable {
  /// Blocks of the dictionary that are kept at hand.
  private static let dictionaryMax = 256
  /// What a label takes, about.
  private static let labelBytes = 32

  let index: PartIndex
  /// The only labels that are told; nil for all.
  private let kept: [String]?
  /// The numbers of the values of the kept labels, once they were needed.
  private var keptValues: [Range<Int>]?
  private var series: (number: Int, block: SeriesBlock)?
  private var labels: (number: Int, block: LabelBlock)?
  private var dictionary: [Int: DictionaryBlock] = [:]
  private var lastDictionary: (number: Int, block: DictionaryBlock)?
  /// The canonical bytes of the series that was read last, the numbers of its labels and where each ends.
  private var bytes: [UInt8] = []
  private var numbers: ArraySlice<UInt32> = []
  private var ends: [Int] = []
  private var names: NamesBlock?

  /// A reader that tells of each series all labels, or only some.
  init(_ index: PartIndex, keeping kept: [String]? = nil) {
    self.index = index
    self.kept = kept
  }

  /// The block of a series' record; `number & (SeriesBlock.seriesMax - 1)` is its index there.
  @inline(__always) mutating func block(of number: Int) throws(SeriesDamage) -> SeriesBlock {
    let wanted = number / SeriesBlock.seriesMax
    if let series, series.number == wanted { return series.block }
    let block = try index.series(wanted)
    guard number % SeriesBlock.seriesMax < block.count else {
      throw index.part.damage("a series is out of bounds", kind: PartBlockKind.series)
    }
    series = (wanted, block)
    return block
  }

  mutating func record(_ number: Int) throws(SeriesDamage) -> PartSeriesRecord {
    try block(of: number).record(number % SeriesBlock.seriesMax)
  }

  mutating func id(_ number: Int) throws(SeriesDamage) -> SeriesID {
    try block(of: number).id(number % SeriesBlock.seriesMax)
  }

  /// The canonical bytes of a series' labels, or of those of them that are kept.
  ///
  /// What it shares with the series that was read before is not put together again.
  mutating func labels(of number: Int) throws(SeriesDamage) -> [UInt8] {
    try assemble(number)
    return bytes
  }

  private mutating func assemble(_ number: Int) throws(SeriesDamage) {
    if let kept, kept.isEmpty { return }
    let names = try allNames()
    let wanted = try wantedNumbers(of: number, names)
    var shared = 0
    while shared < wanted.count, shared < numbers.count,
      wanted[wanted.startIndex + shared] == numbers[numbers.startIndex + shared]
    { shared += 1 }
    // Where what follows fails, nothing of the series before may be taken for this one's.
    numbers = []
    ends.removeLast(ends.count - shared)
    bytes.removeLast(bytes.count - (ends.last ?? 0))
    ends.reserveCapacity(wanted.count)
    bytes.reserveCapacity(wanted.count * Self.labelBytes)
    for value in wanted.dropFirst(shared) {
      let name = names.name(ofValue: Int(value))
      guard name < names.names.count else {
        throw index.part.damage("a value is of no name", kind: PartBlockKind.names)
      }
      names.withName(names.names[name]) { append($0) }
      let block = try dictionaryBlock(of: Int(value))
      block.withText(Int(value)) { append($0) }
      ends.append(bytes.count)
    }
    numbers = wanted
  }

  private mutating func allNames() throws(SeriesDamage) -> NamesBlock {
    if let names { return names }
    let names = try index.names()
    self.names = names
    return names
  }

  /// The numbers of a series' values, of kept labels only.
  private mutating func wantedNumbers(of number: Int, _ names: NamesBlock) throws(SeriesDamage) -> ArraySlice<UInt32> {
    let all = try numbers(of: number)
    guard let kept else { return all }
    let ranges: [Range<Int>]
    if let keptValues {
      ranges = keptValues
    } else {
      let texts = kept.map { Array($0.utf8) }
      ranges = names.names.filter { name in
        names.withName(name) { text in texts.contains { $0.elementsEqual(text) } }
      }.map(\.values)
      keptValues = ranges
    }
    return all.filter { number in ranges.contains { $0.contains(Int(number)) } }[...]
  }

  private mutating func append(_ text: UnsafeRawBufferPointer) {
    bytes.appendVarint(UInt64(text.count))
    bytes.append(contentsOf: text)
  }

  private mutating func numbers(of number: Int) throws(SeriesDamage) -> ArraySlice<UInt32> {
    let wanted = number / SeriesBlock.seriesMax
    let index = number % SeriesBlock.seriesMax
    if labels?.number != wanted { labels = (wanted, try self.index.labels(wanted)) }
    guard let labels, index < labels.block.count else {
      throw self.index.part.damage("a series is out of bounds", kind: PartBlockKind.labels)
    }
    return labels.block.labels(index)
  }

  private mutating func dictionaryBlock(of value: Int) throws(SeriesDamage) -> DictionaryBlock {
    if let lastDictionary, lastDictionary.block.numbers.contains(value) { return lastDictionary.block }
    let number = index.content.block(of: UInt64(value), kind: PartBlockKind.dictionary)
    let block: DictionaryBlock
    if let kept = dictionary[number] {
      block = kept
    } else {
      block = try index.dictionary(number)
      if dictionary.count >= Self.dictionaryMax { dictionary.removeAll(keepingCapacity: true) }
      dictionary[number] = block
    }
    guard block.numbers.contains(value) else {
      throw index.part.damage("a value is not there", kind: PartBlockKind.dictionary, block: number)
    }
    lastDictionary = (number, block)
    return block
  }
}
