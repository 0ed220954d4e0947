import NeedletailTelemetry

/// What a directory's lock protects: the records, the tables that find them, and the inverted index.
///
/// Tenants share nothing: names are numbered for each tenant, and pairs hang on names.
struct DirectoryContent: Sendable {
  private(set) var records = DirectoryRecords()
  private var seriesSlots = HashSlots()
  private var pairSlots = HashSlots()
  private var nameSlots = HashSlots()
  private var postings = PostingPages()
  /// For each pair: its series.
  private var members = PagedArray<PostingChain>()
  /// For each name: its pairs.
  private var pairsOfName = PagedArray<PostingChain>()
  private var seriesOfTenant: [PostingChain] = []
  /// For each series: the low bits of the last generation in which it had a sample.
  private var ages = PagedArray<UInt8>()

  /// 0 stands for never in `ages`, so that 1 must not follow it.
  private var generation: UInt8 = 2
  private var activeBefore = 0
  /// Series that are active in this generation and were in the one before.
  private var activeTwice = 0
  /// The bytes at the start of the generation.
  private var bytesBefore = 0
  private var scratch: [UInt32] = []

  var count: Int { records.count }

  /// About what the directory occupies, in bytes; pages are counted as far as they are filled.
  var byteCount: Int {
    records.byteCount + seriesSlots.byteCount + pairSlots.byteCount + nameSlots.byteCount + postings.byteCount
      + members.byteCount + pairsOfName.byteCount + seriesOfTenant.count * MemoryLayout<PostingChain>.stride
      + ages.byteCount
  }

  /// How many of them came since the last freeze.
  var grownByteCount: Int { max(0, byteCount - bytesBefore) }

  // MARK: - Series

  /// The number of a series, or nil where it is not known.
  ///
  /// Expected O(1).
  @inline(__always) func find(_ id: SeriesID) -> Int? {
    let (low, high) = (id.hash.low, id.hash.high)
    return seriesSlots.find(low) { index in
      let entry = records.entries.address(index)
      return entry.pointee.low == low && entry.pointee.high == high
    }
  }

  /// Finds the series of all rows; `numbers[row]` becomes `UInt32.max` where a series is not known.
  ///
  /// Returns how many rows are of unknown series. A sender mostly names series in the order in which it named them first:
  /// as long as it does, each row is looked for behind the one before.
  func findAll(_ rows: SeriesRows, into numbers: inout [UInt32]) -> Int {
    var unknown = 0
    numbers.withUnsafeMutableBufferPointer { numbers in
      var start = 0
      while start < numbers.count {
        start = follow(rows, from: start, numbers)
        let end = min(start + 64, numbers.count)
        unknown += probe(rows, start..<end, numbers)
        start = end
      }
    }
    return unknown
  }

  /// Finds the rows from `start` on that follow each other; returns the first one that does not.
  private func follow(_ rows: SeriesRows, from start: Int, _ numbers: UnsafeMutableBufferPointer<UInt32>) -> Int {
    guard start > 0, numbers[start - 1] != .max else { return start }
    var next = Int(numbers[start - 1]) + 1
    var row = start
    let count = records.entries.count
    while row < numbers.count, next < count {
      let id = rows.seriesID(row)
      let entry = records.entries.address(next)
      guard entry.pointee.low == id.hash.low, entry.pointee.high == id.hash.high else { break }
      numbers[row] = UInt32(truncatingIfNeeded: next)
      row += 1
      next += 1
    }
    return row
  }

  /// Finds a group of rows; returns how many are of unknown series.
  ///
  /// Two short loops over the group let the processor wait for the memory of many rows at once.
  private func probe(
    _ rows: SeriesRows, _ group: Range<Int>, _ numbers: UnsafeMutableBufferPointer<UInt32>
  ) -> Int {
    var unknown = 0
    for row in group { numbers[row] = seriesSlots.first(rows.seriesID(row).hash.low) }
    for row in group {
      let candidate = numbers[row]
      let id = rows.seriesID(row)
      if candidate != 0 {
        let entry = records.entries.address(Int(candidate) - 1)
        if entry.pointee.low == id.hash.low, entry.pointee.high == id.hash.high {
          numbers[row] = candidate - 1
          continue
        }
      }
      if candidate != 0, let number = find(id) {
        numbers[row] = UInt32(truncatingIfNeeded: number)
      } else {
        numbers[row] = .max
        unknown += 1
      }
    }
    return unknown
  }

  /// Adds a series that is not known; nil where the directory is full.
  ///
  /// The labels are canonical.
  mutating func add(_ id: SeriesID, tenant: TenantID, labels: UnsafeRawBufferPointer) -> Int? {
    guard !seriesSlots.isFull, !pairSlots.isFull, records.texts.hasRoom(for: labels.count),
      records.labelLists.hasRoom(for: labels.count), postings.hasRoom(for: labels.count + 1)
    else { return nil }
    let tenant = number(of: tenant)
    let series = UInt32(truncatingIfNeeded: records.entries.count)
    scratch.removeAll(keepingCapacity: true)
    var reader = ByteReader(labels)
    while !reader.isAtEnd {
      let start = reader.offset
      guard (try? reader.readPrefixed()) != nil else { break }
      let middle = reader.offset
      guard (try? reader.readPrefixed()) != nil else { break }
      let pair = intern(labels, start, middle, reader.offset, tenant: tenant)
      scratch.append(pair)
      postings.append(series, to: &members.address(Int(pair)).pointee)
    }
    records.labelLists.append(tenant: tenant, scratch)
    records.entries.append(DirectoryRecords.Entry(low: id.hash.low, high: id.hash.high))
    ages.append(0)
    postings.append(series, to: &seriesOfTenant[Int(tenant)])
    let entries = records.entries
    seriesSlots.insert(id.hash.low, Int(series)) { entries.address($0).pointee.low }
    return Int(series)
  }

  private mutating func number(of tenant: TenantID) -> UInt32 {
    if let known = records.number(of: tenant) { return UInt32(truncatingIfNeeded: known) }
    records.tenants.append(tenant)
    seriesOfTenant.append(PostingChain())
    return UInt32(truncatingIfNeeded: records.tenants.count - 1)
  }

  // MARK: - Names and pairs

  private static func hash(_ bytes: UnsafeRawBufferPointer, _ seed: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: xxHash64(bytes, seed: UInt64(seed)))
  }

  /// The number of the pair whose name and value, each after its length, stand at these offsets of the labels.
  private mutating func intern(
    _ labels: UnsafeRawBufferPointer, _ start: Int, _ middle: Int, _ end: Int, tenant: UInt32
  ) -> UInt32 {
    let hash = Self.hash(UnsafeRawBufferPointer(rebasing: labels[start..<end]), tenant)
    let name = UnsafeRawBufferPointer(rebasing: labels[start..<middle])
    let value = UnsafeRawBufferPointer(rebasing: labels[middle..<end])
    if let known = findPair(hash, name, value, tenant) { return UInt32(truncatingIfNeeded: known) }
    let nameNumber = intern(name: name, tenant: tenant)
    let number = records.pairs.count
    records.pairs.append(DirectoryRecords.Pair(hash: hash, name: nameNumber, value: records.texts.append(value)))
    members.append(PostingChain())
    postings.append(UInt32(truncatingIfNeeded: number), to: &pairsOfName.address(Int(nameNumber)).pointee)
    let pairs = records.pairs
    pairSlots.insert(UInt64(hash), number) { UInt64(pairs.address($0).pointee.hash) }
    return UInt32(truncatingIfNeeded: number)
  }

  @inline(__always) private func findPair(
    _ hash: UInt32, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ tenant: UInt32
  ) -> Int? {
    pairSlots.find(UInt64(hash)) { index in
      let pair = records.pairs[index]
      guard pair.hash == hash, records.texts.equals(pair.value, value) else { return false }
      let known = records.names[Int(pair.name)]
      return known.tenant == tenant && records.texts.equals(known.text, name)
    }
  }

  private func findName(_ name: UnsafeRawBufferPointer, _ hash: UInt32, _ tenant: UInt32) -> Int? {
    nameSlots.find(UInt64(hash)) { index in
      let known = records.names[index]
      return known.hash == hash && known.tenant == tenant && records.texts.equals(known.text, name)
    }
  }

  private mutating func intern(name: UnsafeRawBufferPointer, tenant: UInt32) -> UInt32 {
    let hash = Self.hash(name, tenant)
    if let known = findName(name, hash, tenant) { return UInt32(truncatingIfNeeded: known) }
    let number = records.names.count
    records.names.append(DirectoryRecords.Name(hash: hash, tenant: tenant, text: records.texts.append(name)))
    pairsOfName.append(PostingChain())
    let names = records.names
    nameSlots.insert(UInt64(hash), number) { UInt64(names.address($0).pointee.hash) }
    return UInt32(truncatingIfNeeded: number)
  }

  // MARK: - The inverted index

  func nameNumber(_ name: String, tenant: Int) -> Int? {
    var writer = ByteWriter()
    writer.appendPrefixed(name)
    let tenant = UInt32(truncatingIfNeeded: tenant)
    return writer.bytes.withUnsafeBytes { findName($0, Self.hash($0, tenant), tenant) }
  }

  func pairNumber(_ value: String, name: String, tenant: Int) -> Int? {
    var writer = ByteWriter()
    writer.appendPrefixed(name)
    let middle = writer.count
    writer.appendPrefixed(value)
    let tenant = UInt32(truncatingIfNeeded: tenant)
    return writer.bytes.withUnsafeBytes { bytes in
      findPair(
        Self.hash(bytes, tenant), UnsafeRawBufferPointer(rebasing: bytes[..<middle]),
        UnsafeRawBufferPointer(rebasing: bytes[middle...]), tenant)
    }
  }

  func memberCount(ofPair pair: Int) -> Int { Int(members[pair].count) }

  /// Calls `body` with the series that have a pair, ascending, until it answers false.
  func forEachSeries(ofPair pair: Int, while body: (Int) -> Bool) {
    postings.forEach(members[pair]) { body(Int($0)) }
  }

  /// Calls `body` with the series of a tenant, ascending, until it answers false.
  func forEachSeries(ofTenant tenant: Int, while body: (Int) -> Bool) {
    postings.forEach(seriesOfTenant[tenant]) { body(Int($0)) }
  }

  func pairCount(ofName name: Int) -> Int { Int(pairsOfName[name].count) }

  func pairs(ofName name: Int) -> [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(pairCount(ofName: name))
    forEachPair(ofName: name) {
      result.append(UInt32(truncatingIfNeeded: $0))
      return true
    }
    return result
  }

  /// Calls `body` with the pairs of a name, ascending, until it answers false.
  func forEachPair(ofName name: Int, while body: (Int) -> Bool) {
    postings.forEach(pairsOfName[name]) { body(Int($0)) }
  }

  // MARK: - Generations

  /// Notes the first sample of a series in this generation.
  @inline(__always) mutating func noteActive(_ series: Int) {
    let age = ages.address(series)
    if age.pointee == generation &- 1 { activeTwice += 1 }
    age.pointee = generation
  }

  /// Ends a generation in which `active` series had samples; true where a fresh directory should take over, because
  /// less than half of the series were active in this generation or the one before, or because this one alone takes
  /// more than `bytesMax`.
  mutating func endGeneration(active: Int, bytesMax: Int) -> Bool {
    let recent = activeBefore + active - activeTwice
    generation = generation == .max ? 2 : generation + 1
    (activeBefore, activeTwice) = (active, 0)
    bytesBefore = byteCount
    return recent * 2 < count || byteCount > bytesMax
  }
}
