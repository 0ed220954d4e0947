import NeedletailTelemetry

/// What a directory knows of its series and never changes again: identities, tenants, labels.
///
/// Labels are numbers of pairs, and a pair is a name and a value; the text of each stands once. Everything here is only
/// appended to, so that a copy made under the directory's lock is read without it.
struct DirectoryRecords: Sendable {
  /// The identity of a series.
  struct Entry: BitwiseCopyable, Sendable {
    var low: UInt64
    var high: UInt64
  }

  /// A name and a value of one tenant.
  struct Pair: BitwiseCopyable, Sendable {
    var hash: UInt32
    var name: UInt32
    var value: UInt32
  }

  /// A label name of one tenant.
  struct Name: BitwiseCopyable, Sendable {
    var hash: UInt32
    var tenant: UInt32
    var text: UInt32
  }

  var entries = PagedArray<Entry>()
  var labelLists = LabelLists()
  var pairs = PagedArray<Pair>()
  var names = PagedArray<Name>()
  var texts = TextPages()
  /// The tenants, in order of arrival; few.
  var tenants: [TenantID] = []

  /// How many series there are; they are numbered densely, in order of arrival.
  var count: Int { entries.count }

  var byteCount: Int {
    entries.byteCount + labelLists.byteCount + pairs.byteCount + names.byteCount + texts.byteCount + tenants.count * 64
  }

  @inline(__always) func id(_ series: Int) -> SeriesID {
    let entry = entries[series]
    return SeriesID(Hash128(high: entry.high, low: entry.low))
  }

  func tenant(_ series: Int) -> Int { withExtendedLifetime(labelLists) { labelLists[series].tenant } }

  func number(of tenant: TenantID) -> Int? { tenants.firstIndex(of: tenant) }

  /// Calls `body` with the pairs of a series, in canonical order.
  @inline(__always) func forEachPair(_ series: Int, _ body: (_ pair: Int) -> Void) {
    let list = labelLists[series]
    for position in 0..<list.count { body(list[position]) }
    withExtendedLifetime(labelLists) {}
  }

  /// Appends the canonical label bytes of a series.
  ///
  /// With `kept` only labels of these names.
  func appendLabels(_ series: Int, keeping kept: [[UInt8]]? = nil, to writer: inout ByteWriter) {
    if let kept, kept.isEmpty { return }
    forEachPair(series) { pair in
      let record = pairs[pair]
      if let kept {
        let name = texts.text(names[Int(record.name)].text)
        guard kept.contains(where: { $0.elementsEqual(name) }) else { return }
      }
      writer.append(texts.prefixed(names[Int(record.name)].text))
      writer.append(texts.prefixed(record.value))
    }
    withExtendedLifetime(texts) {}
  }

  /// Lends the canonical label bytes of a series, put together for this call.
  func withLabels<Result>(_ series: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    var writer = ByteWriter(reserving: 256)
    appendLabels(series, to: &writer)
    return try writer.bytes.withUnsafeBytes(body)
  }

  func labels(_ series: Int) -> LabelSet {
    var writer = ByteWriter(reserving: 256)
    appendLabels(series, to: &writer)
    return LabelSet(canonicalBytes: writer.bytes)
  }

  /// Lends the text of a pair's value.
  func withValue<Result>(_ pair: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(texts) { try body(texts.text(pairs[pair].value)) }
  }

  /// Lends the text of a name.
  func withName<Result>(_ name: Int, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(texts) { try body(texts.text(names[name].text)) }
  }

  /// Calls `body` with the name and the value of every pair that one of the series has, each once; only those of one
  /// name where that is given.
  func forEachPair(
    of series: [Int], named name: String?,
    _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
  ) {
    var seen = SeriesBitmap(universe: pairs.count)
    let isWanted = (0..<names.count).map { number in
      name.map { name in withName(number) { $0.elementsEqual(name.utf8) } } ?? true
    }
    for number in series {
      forEachPair(number) { pair in
        guard isWanted[Int(pairs[pair].name)], !seen.contains(pair) else { return }
        seen.insert(pair)
        withName(Int(pairs[pair].name)) { name in withValue(pair) { body(name, $0) } }
      }
    }
  }
}
