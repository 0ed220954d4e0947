import NeedletailTelemetry

/// The series that a query found in its sources, each once, with where it was found.
struct SeriesGathering: Sendable {
  /// A place where a series has data: a source of the query, and the series' number there.
  struct Place: Sendable {
    var source: Int
    var number: Int
    fileprivate var next: Int
  }

  struct Entry: Sendable {
    var id: SeriesID
    fileprivate var labels: ByteArena.Reference
    fileprivate var firstPlace: Int
  }

  private(set) var entries: [Entry] = []
  private var places: [Place] = []
  private var slots = HashSlots()
  private var arena = ByteArena()
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// Notes a place of a series that was found before; false where it is new and its labels are needed.
  mutating func addKnown(_ id: SeriesID, source: Int, number: Int) -> Bool {
    guard let entry = slots.find(id.hash.low, where: { entries[$0].id == id }) else { return false }
    places.append(Place(source: source, number: number, next: entries[entry].firstPlace))
    entries[entry].firstPlace = places.count - 1
    return true
  }

  /// Notes a series that was not found before.
  mutating func add(
    _ id: SeriesID, labels: UnsafeRawBufferPointer, source: Int, number: Int
  ) throws(SeriesQueryError) {
    guard entries.count < limit else { throw .tooManySeries(limit: limit) }
    places.append(Place(source: source, number: number, next: -1))
    entries.append(Entry(id: id, labels: arena.append(labels), firstPlace: places.count - 1))
    // Another reference to the same array: the closure may not borrow what the call changes.
    let known = entries
    slots.insert(id.hash.low, entries.count - 1) { known[$0].id.hash.low }
  }

  /// Puts the series into `SeriesOrder`.
  ///
  /// Nothing is added afterwards.
  mutating func sort() {
    let found = entries
    entries = RowSort.order(found.count) { left, right in
      arena.withBytes(found[left].labels) { left in
        arena.withBytes(found[right].labels) { SeriesOrder.precedes(left, $0) }
      }
    }.map { found[$0] }
  }

  func withLabels<Result>(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try arena.withBytes(entry.labels, body)
  }

  func forEachPlace(of entry: Entry, _ body: (Place) -> Void) {
    var next = entry.firstPlace
    while next >= 0 {
      body(places[next])
      next = places[next].next
    }
  }
}
