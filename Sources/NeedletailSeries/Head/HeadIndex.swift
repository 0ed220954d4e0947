import NeedletailTelemetry

/// The inverted index of a head: (tenant, label name) -> value -> series, in flat tables.
///
/// The text of a value is not copied: it is a slice of the labels of the first series that has it.
struct HeadIndex: Sendable {
  struct Name: Sendable {
    var tenant: UInt32
    var hash: UInt32
    var text: ByteArena.Reference
    var values: [UInt32] = []
  }

  struct Value: Sendable {
    var hash: UInt32
    var name: UInt32
    var text: ByteArena.Reference
    /// The first series that has it; the others are in `lists[list]`.
    var first: UInt32
    var list: UInt32
  }

  private static let noList = UInt32.max

  private(set) var names: [Name] = []
  private(set) var values: [Value] = []
  private var lists: [[UInt32]] = []
  private var nameSlots = HashSlots()
  private var valueSlots = HashSlots()
  private var seriesOfTenant: [[UInt32]] = []
  private var listedCount = 0

  var byteCount: Int {
    names.capacity * MemoryLayout<Name>.stride + values.capacity * MemoryLayout<Value>.stride
      + lists.capacity * 8 + nameSlots.byteCount + valueSlots.byteCount + listedCount * 6 + values.count * 4
  }

  /// Adds a series of the registry.
  mutating func add(_ series: Int, in registry: SeriesRegistry) {
    let tenant = registry.tenant(series)
    while seriesOfTenant.count <= tenant { seriesOfTenant.append([]) }
    seriesOfTenant[tenant].append(UInt32(truncatingIfNeeded: series))
    let reference = registry.labelReference(series)
    registry.withLabels(series) { labels in
      var reader = ByteReader(labels)
      while let name = try? reader.readPrefixed() {
        let nameEnd = reader.offset
        guard let value = try? reader.readPrefixed() else { break }
        let nameText = reference.slice(nameEnd - name.count, name.count)
        let valueText = reference.slice(reader.offset - value.count, value.count)
        let number = intern(name: name, text: nameText, tenant: UInt32(truncatingIfNeeded: tenant), registry)
        add(UInt32(truncatingIfNeeded: series), value: value, text: valueText, of: number, registry)
      }
    }
  }

  private static func hash(_ bytes: UnsafeRawBufferPointer, _ seed: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: xxHash64(bytes, seed: UInt64(seed)))
  }

  private func findName(_ name: UnsafeRawBufferPointer, _ hash: UInt32, _ tenant: UInt32, _ registry: SeriesRegistry)
    -> Int?
  {
    nameSlots.find(UInt64(hash)) { index in
      names[index].hash == hash && names[index].tenant == tenant
        && registry.arena.withBytes(names[index].text) { $0.elementsEqual(name) }
    }
  }

  private func findValue(_ value: UnsafeRawBufferPointer, _ hash: UInt32, _ name: UInt32, _ registry: SeriesRegistry)
    -> Int?
  {
    valueSlots.find(UInt64(hash)) { index in
      values[index].hash == hash && values[index].name == name
        && registry.arena.withBytes(values[index].text) { $0.elementsEqual(value) }
    }
  }

  private mutating func intern(
    name: UnsafeRawBufferPointer, text: ByteArena.Reference, tenant: UInt32, _ registry: SeriesRegistry
  ) -> UInt32 {
    let hash = Self.hash(name, tenant)
    if let known = findName(name, hash, tenant, registry) { return UInt32(truncatingIfNeeded: known) }
    names.append(Name(tenant: tenant, hash: hash, text: text))
    // Another reference to the same array, here and below: the closure may not borrow what the call changes.
    let known = names
    nameSlots.insert(UInt64(hash), names.count - 1) { UInt64(known[$0].hash) }
    return UInt32(truncatingIfNeeded: names.count - 1)
  }

  private mutating func add(
    _ series: UInt32, value: UnsafeRawBufferPointer, text: ByteArena.Reference, of name: UInt32,
    _ registry: SeriesRegistry
  ) {
    let hash = Self.hash(value, name)
    guard let known = findValue(value, hash, name, registry) else {
      values.append(Value(hash: hash, name: name, text: text, first: series, list: Self.noList))
      let all = values
      valueSlots.insert(UInt64(hash), values.count - 1) { UInt64(all[$0].hash) }
      names[Int(name)].values.append(UInt32(truncatingIfNeeded: values.count - 1))
      return
    }
    if values[known].list == Self.noList {
      values[known].list = UInt32(truncatingIfNeeded: lists.count)
      lists.append([])
    }
    lists[Int(values[known].list)].append(series)
    listedCount += 1
  }

  /// Calls `body` with every series that has a value, ascending.
  func forEachSeries(withValue number: Int, _ body: (Int) -> Void) {
    let value = values[number]
    body(Int(value.first))
    if value.list != Self.noList {
      for series in lists[Int(value.list)] { body(Int(series)) }
    }
  }

  func forEachSeries(of tenant: Int, _ body: (Int) -> Void) {
    guard tenant < seriesOfTenant.count else { return }
    for series in seriesOfTenant[tenant] { body(Int(series)) }
  }

  fileprivate func nameNumber(_ name: String, tenant: Int, _ registry: SeriesRegistry) -> Int? {
    var name = name
    let tenant = UInt32(truncatingIfNeeded: tenant)
    return name.withUTF8 { bytes in
      let bytes = UnsafeRawBufferPointer(bytes)
      return findName(bytes, Self.hash(bytes, tenant), tenant, registry)
    }
  }

  fileprivate func valueNumber(_ value: String, name: Int, _ registry: SeriesRegistry) -> Int? {
    var value = value
    let name = UInt32(truncatingIfNeeded: name)
    return value.withUTF8 { bytes in
      let bytes = UnsafeRawBufferPointer(bytes)
      return findValue(bytes, Self.hash(bytes, name), name, registry)
    }
  }
}

/// A head's index as one tenant sees it; lives no longer than the head's lock is held.
struct HeadIndexView: SeriesIndexView {
  let registry: SeriesRegistry
  let index: HeadIndex
  let tenant: Int

  var universe: Int { registry.count }

  func insertAll(into set: inout SeriesBitmap) {
    index.forEachSeries(of: tenant) { set.insert($0) }
  }

  func forEachName(_ body: (UnsafeRawBufferPointer) -> Void) {
    for name in index.names where Int(name.tenant) == tenant { registry.arena.withBytes(name.text, body) }
  }

  func forEachValue(of name: String, _ body: (UnsafeRawBufferPointer, Int) -> Void) {
    guard let number = index.nameNumber(name, tenant: tenant, registry) else { return }
    for value in index.names[number].values {
      registry.arena.withBytes(index.values[Int(value)].text) { body($0, Int(value)) }
    }
  }

  func number(of value: String, name: String) -> Int? {
    guard let number = index.nameNumber(name, tenant: tenant, registry) else { return nil }
    return index.valueNumber(value, name: number, registry)
  }

  func insertSeries(withValue number: Int, into set: inout SeriesBitmap) {
    index.forEachSeries(withValue: number) { set.insert($0) }
  }
}
