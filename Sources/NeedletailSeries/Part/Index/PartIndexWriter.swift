import NeedletailBlocks
import NeedletailTelemetry

/// The index of a part in the making.
///
/// Records go out in blocks as they come. What stays in memory until the end are the numbers of the series' labels, 4
/// bytes each, their texts, each once, and 2 bytes a series of its slot.
struct PartIndexWriter {
  private static let dictionaryBlockBytes = 32 << 10
  private static let postingsBlockBytes = 64 << 10
  /// Likewise for the index: little is compressed that hardly gets smaller.
  private static let savingPercentMin = 6

  private let file: BlockWriter
  private let slots: SlotMap
  private var interner = LabelInterner()
  private var labelNumbers: [UInt32] = []
  private var labelEnds: [Int] = []
  private var records: [PartSeriesRecord] = []
  private var slotOfSeries: [UInt16] = []
  private var locations: [UInt8: [BlockLocation]] = [:]
  private var firsts: [UInt8: [UInt64]] = [:]

  init(_ file: BlockWriter, slots: SlotMap) {
    self.file = file
    self.slots = slots
  }

  /// Adds a series' labels, which come before its record; tenants are numbered in their order.
  mutating func add(labels: UnsafeRawBufferPointer, tenant: Int) throws(BlockError) {
    do throws(MalformedBytes) {
      try interner.intern(labels, tenant: UInt32(truncatingIfNeeded: tenant), into: &labelNumbers)
    } catch {
      throw .damaged(path: file.path, offset: 0, .content)
    }
    labelEnds.append(labelNumbers.count)
  }

  mutating func add(_ record: PartSeriesRecord) throws(BlockError) {
    slotOfSeries.append(slots.slot(of: record.id))
    records.append(record)
    if records.count == SeriesBlock.seriesMax { try closeRecords() }
  }

  private mutating func closeRecords() throws(BlockError) {
    guard !records.isEmpty else { return }
    // Identities are as good as random: compressing them is in vain.
    locations[PartBlockKind.series, default: []]
      .append(try file.append(SeriesBlock.encode(records), kind: PartBlockKind.series, codec: .raw))
    records.removeAll(keepingCapacity: true)
  }

  private mutating func write(_ bytes: [UInt8], kind: UInt8, first: Int? = nil) throws(BlockError) {
    guard !bytes.isEmpty else { return }
    locations[kind, default: []]
      .append(try file.append(bytes, kind: kind, savingPercentMin: Self.savingPercentMin))
    if let first { firsts[kind, default: []].append(UInt64(first)) }
  }

  /// Writes the digests of the part.
  mutating func write(_ digests: DigestTable) throws(BlockError) {
    for (hour, bytes) in digests.encoded() {
      try write(bytes, kind: PartBlockKind.digests, first: Int(clamping: hour))
    }
  }

  /// Writes all that is left and notes where it is.
  mutating func finish(_ content: inout PartContent) throws(BlockError) {
    try closeRecords()
    let order = interner.order(tenantRanks: (0..<content.tenants.count).map { UInt32(truncatingIfNeeded: $0) })
    for index in labelNumbers.indices { labelNumbers[index] = order.ranks[Int(labelNumbers[index])] }
    try writeLabels()
    try writePostings(valueCount: order.values.count)
    try writeDictionary(order, tenantCount: content.tenants.count)
    try writeSlots()
    content.valueCount = order.values.count
    content.blocks.merge(locations) { $1 }
    content.firsts.merge(firsts) { $1 }
  }

  private mutating func writeLabels() throws(BlockError) {
    var bytes: [UInt8] = []
    var previous = 0..<0
    for series in labelEnds.indices {
      let range = (series == 0 ? 0 : labelEnds[series - 1])..<labelEnds[series]
      if series % SeriesBlock.seriesMax == 0 {
        try write(bytes, kind: PartBlockKind.labels)
        bytes.removeAll(keepingCapacity: true)
        previous = range.lowerBound..<range.lowerBound
      }
      LabelBlock.encode(labelNumbers[range], after: labelNumbers[previous], to: &bytes)
      previous = range
    }
    try write(bytes, kind: PartBlockKind.labels)
  }

  /// Sorts the series by their values, counting, which keeps the ascending order of the series.
  private mutating func writePostings(valueCount: Int) throws(BlockError) {
    var starts = [Int](repeating: 0, count: valueCount + 1)
    for number in labelNumbers { starts[Int(number) + 1] += 1 }
    for value in 0..<valueCount { starts[value + 1] += starts[value] }
    var next = starts
    var members = [UInt32](repeating: 0, count: labelNumbers.count)
    var position = 0
    for (series, end) in labelEnds.enumerated() {
      while position < end {
        let value = Int(labelNumbers[position])
        members[next[value]] = UInt32(truncatingIfNeeded: series)
        next[value] += 1
        position += 1
      }
    }
    var block: [UInt8] = []
    var list: [UInt8] = []
    var first = 0
    for value in 0..<valueCount {
      list.removeAll(keepingCapacity: true)
      PostingList.encode(members[starts[value]..<starts[value + 1]], to: &list)
      block.appendVarint(UInt64(list.count))
      block.append(contentsOf: list)
      if block.count >= Self.postingsBlockBytes {
        try write(block, kind: PartBlockKind.postings, first: first)
        block.removeAll(keepingCapacity: true)
        first = value + 1
      }
    }
    try write(block, kind: PartBlockKind.postings, first: first)
  }

  private mutating func writeDictionary(_ order: LabelOrder, tenantCount: Int) throws(BlockError) {
    var tenants = [[(name: [UInt8], values: Int)]](repeating: [], count: tenantCount)
    var firstTexts: [[UInt8]] = []
    var block: [UInt8] = []
    var previous: [UInt8] = []
    var lastName: UInt32?
    var first = 0
    for (rank, value) in order.values.enumerated() {
      let name = interner.values.entries[value].group
      let tenant = Int(interner.names.entries[Int(name)].group)
      if lastName != name {
        tenants[tenant].append((interner.names.withText(Int(name)) { Array($0) }, 0))
        lastName = name
      }
      tenants[tenant][tenants[tenant].count - 1].values += 1
      let isFirst = block.isEmpty
      interner.values.withText(value) { text in
        previous.withUnsafeBytes { previous in
          DictionaryBlock.encode(
            text, after: isFirst ? UnsafeRawBufferPointer(rebasing: previous[..<0]) : previous, to: &block)
        }
        previous.removeAll(keepingCapacity: true)
        previous.append(contentsOf: text)
      }
      if isFirst { firstTexts.append(previous) }
      if block.count >= Self.dictionaryBlockBytes {
        try write(block, kind: PartBlockKind.dictionary, first: first)
        block.removeAll(keepingCapacity: true)
        first = rank + 1
      }
    }
    try write(block, kind: PartBlockKind.dictionary, first: first)
    try write(NamesBlock.encode(tenants: tenants, firstTexts: firstTexts), kind: PartBlockKind.names)
  }

  /// For every slot that has series here: its number, how many, and their numbers as deltas.
  private mutating func writeSlots() throws(BlockError) {
    var members = [[Int]](repeating: [], count: slots.count)
    for (series, slot) in slotOfSeries.enumerated() { members[Int(slot)].append(series) }
    var writer = ByteWriter()
    for (slot, series) in members.enumerated() where !series.isEmpty {
      writer.appendVarint(UInt64(slot))
      writer.appendAscending(series)
      if writer.count >= 1 << 20 {
        try write(writer.bytes, kind: PartBlockKind.slots)
        writer.removeAll()
      }
    }
    try write(writer.bytes, kind: PartBlockKind.slots)
  }
}

extension ByteWriter {
  /// Appends how many numbers there are, and the numbers, ascending, as deltas.
  mutating func appendAscending(_ numbers: some Collection<Int>) {
    appendVarint(UInt64(numbers.count))
    var previous = 0
    for number in numbers {
      appendVarint(UInt64(number - previous))
      previous = number
    }
  }
}
