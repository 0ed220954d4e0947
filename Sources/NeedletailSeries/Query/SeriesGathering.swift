import NeedletailTelemetry

/// The series that a query found in its sources, each once, with where it was found.
///
/// Labels of series that a directory knows stay there; only those of parts are copied.
struct SeriesGathering: Sendable {
  /// A place where a series has data: a source of the query, and the series' number there.
  struct Place: Sendable {
    var source: Int
    var number: Int
    fileprivate var next: Int
  }

  struct Entry: Sendable {
    var id: SeriesID
    /// The series' number in the directory of that number, or of its labels among the copied ones.
    fileprivate var labels: UInt32
    fileprivate var directory: Int32
    fileprivate var firstPlace: Int
  }

  private static let copied: Int32 = -1

  private(set) var entries: [Entry] = []
  private var places: [Place] = []
  private var slots = HashSlots()
  private var origins: [SeriesDirectory] = []
  private var directories: [DirectoryRecords] = []
  private var arena = ByteArena()
  private var copies: [ByteArena.Reference] = []
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// Notes a place of a series that was found before; false where it is new and its labels are needed.
  mutating func addKnown(_ id: SeriesID, source: Int, number: Int) -> Bool {
    guard let entry = slots.find(id.hash.low, where: { entries[$0].id == id }) else { return false }
    places.append(Place(source: source, number: number, next: entries[entry].firstPlace))
    entries[entry].firstPlace = places.count - 1
    return true
  }

  /// Notes a series that was not found before, with its labels.
  mutating func add(
    _ id: SeriesID, labels: UnsafeRawBufferPointer, source: Int, number: Int
  ) throws(SeriesQueryError) {
    copies.append(arena.append(labels))
    try add(id, labels: copies.count - 1, Self.copied, source: source, number: number)
  }

  /// Notes the series of a directory with these numbers.
  mutating func add(_ numbers: [Int], of view: DirectoryView, source: Int) throws(SeriesQueryError) {
    let directory = number(of: view)
    for number in numbers {
      let id = view.records.id(number)
      if !addKnown(id, source: source, number: number) {
        try add(id, labels: number, directory, source: source, number: number)
      }
    }
  }

  /// The number of a view's directory: head and frozen head mostly have the same.
  private mutating func number(of view: DirectoryView) -> Int32 {
    guard let known = origins.firstIndex(where: { $0 === view.directory }) else {
      origins.append(view.directory)
      directories.append(view.records)
      return Int32(truncatingIfNeeded: directories.count - 1)
    }
    if view.records.count > directories[known].count { directories[known] = view.records }
    return Int32(truncatingIfNeeded: known)
  }

  private mutating func add(
    _ id: SeriesID, labels: Int, _ directory: Int32, source: Int, number: Int
  ) throws(SeriesQueryError) {
    guard entries.count < limit else { throw .tooManySeries(limit: limit) }
    places.append(Place(source: source, number: number, next: -1))
    entries.append(
      Entry(
        id: id, labels: UInt32(truncatingIfNeeded: labels), directory: directory, firstPlace: places.count - 1))
    // Another reference to the same array: the closure may not borrow what the call changes.
    let known = entries
    slots.insert(id.hash.low, entries.count - 1) { known[$0].id.hash.low }
  }

  /// Puts the series into `SeriesOrder`.
  ///
  /// Nothing is added afterwards. What comes from one directory is sorted by ranks; runs of several origins are merged by
  /// their texts.
  mutating func sort() {
    var runs = directories.indices.map { sortedEntries(ofDirectory: Int32($0)) }
    let found = entries.filter { $0.directory == Self.copied }
    runs.append(
      RowSort.order(found.count) { left, right in
        withLabels(of: found[left]) { left in
          withLabels(of: found[right]) { SeriesOrder.precedes(left, $0) }
        }
      }.map { found[$0] })
    entries = runs.filter { !$0.isEmpty }.reduce([]) { merged($0, $1) }
  }

  private func sortedEntries(ofDirectory directory: Int32) -> [Entry] {
    let found = entries.filter { $0.directory == directory }
    return directories[Int(directory)].order(of: found.map(\.labels)).map { found[$0] }
  }

  private func merged(_ left: [Entry], _ right: [Entry]) -> [Entry] {
    guard !left.isEmpty else { return right }
    var result: [Entry] = []
    result.reserveCapacity(left.count + right.count)
    var (one, other) = (0, 0)
    while one < left.count, other < right.count {
      let isOtherFirst = withLabels(of: right[other]) { right in
        withLabels(of: left[one]) { SeriesOrder.precedes(right, $0) }
      }
      if isOtherFirst {
        result.append(right[other])
        other += 1
      } else {
        result.append(left[one])
        one += 1
      }
    }
    return result + left[one...] + right[other...]
  }

  func withLabels<Result>(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    if entry.directory == Self.copied { return try arena.withBytes(copies[Int(entry.labels)], body) }
    return try directories[Int(entry.directory)].withLabels(Int(entry.labels), body)
  }

  func forEachPlace(of entry: Entry, _ body: (Place) -> Void) {
    var next = entry.firstPlace
    while next >= 0 {
      body(places[next])
      next = places[next].next
    }
  }
}
