import NeedletailTelemetry

/// The names and values of a directory that series of one head have: those of which the head has nothing are left out.
///
/// For listing names and values; selecting works on the directory's own view, with the head asked for what was found.
struct HeadIndexView: SeriesIndexView {
  /// With fewer than one of so many series active, their pairs are gathered instead of asking each pair.
  private static let sparseShare = 16
  /// How many series are looked at while appends wait.
  private static let seriesMax = 4096

  private let view: DirectoryView
  private let head: SeriesHead
  /// The pairs that active series have; nil where most have some.
  private let activePairs: SeriesBitmap?

  /// Nil where the directory has nothing of the tenant.
  init?(_ head: SeriesHead, of tenant: TenantID) {
    guard let view = head.directory.view(of: tenant) else { return nil }
    self.view = view
    self.head = head
    guard head.withStorage({ $0.activeCount }) < view.universe / Self.sparseShare else {
      activePairs = nil
      return
    }
    var found = SeriesBitmap(universe: view.records.pairs.count)
    for number in head.withStorage({ $0.activeSeries }) where Int(number) < view.universe {
      view.records.forEachPair(Int(number)) { found.insert($0) }
    }
    activePairs = found
  }

  /// The series that the head has something of.
  private var active: SeriesBitmap {
    var active = SeriesBitmap(universe: view.universe)
    for number in head.withStorage({ $0.activeSeries }) where Int(number) < view.universe { active.insert(Int(number)) }
    return active
  }

  var universe: Int { view.universe }

  func insertAll(into set: inout SeriesBitmap) {
    view.insertAll(into: &set)
    set.formIntersection(active)
  }

  func forEachName(_ body: (UnsafeRawBufferPointer) -> Void) {
    var active: SeriesBitmap?
    for name in 0..<view.records.names.count where Int(view.records.names[name].tenant) == view.tenant {
      if look(name) ?? search(name, &active) { view.records.withName(name, body) }
    }
  }

  func forEachValue(of name: String, _ body: (UnsafeRawBufferPointer, Int) -> Void) {
    let active = activePairs == nil ? active : nil
    for pair in view.pairs(ofName: name) where isActive(pair: Int(pair), active) {
      view.records.withValue(Int(pair)) { body($0, Int(pair)) }
    }
  }

  func number(of value: String, name: String) -> Int? { view.number(of: value, name: name) }

  func insertSeries(withValue number: Int, into set: inout SeriesBitmap) {
    view.insertSeries(withValue: number, into: &set)
    set.formIntersection(active)
  }

  /// Whether the head has something of a series with this name, by looking at some under one turn of the locks: mostly the
  /// first one tells. Nil where they do not.
  private func look(_ name: Int) -> Bool? {
    let (universe, pairCount, seriesMax) = (view.universe, view.records.pairs.count, Self.seriesMax)
    return view.directory.withContent { content in
      head.withStorage { storage in
        var (isActive, seen) = (false, 0)
        content.forEachPair(ofName: name) { pair in
          guard pair < pairCount else { return false }
          if let activePairs {
            isActive = activePairs.contains(pair)
            seen += 1
          } else {
            content.forEachSeries(ofPair: pair) { series in
              guard series < universe else { return false }
              isActive = storage.isActive(series)
              seen += 1
              return !isActive && seen < seriesMax
            }
          }
          return !isActive && seen < seriesMax
        }
        return isActive || seen < seriesMax ? isActive : nil
      }
    }
  }

  /// The same by all series of the name; `active` is made once.
  private func search(_ name: Int, _ active: inout SeriesBitmap?) -> Bool {
    let known = active ?? self.active
    active = known
    let pairs = view.directory.withContent { content in
      content.pairs(ofName: name).filter { Int($0) < view.records.pairs.count }
    }
    return pairs.contains { isActive(pair: Int($0), known) }
  }

  /// Whether the head has something of a series with this pair; mostly the first one tells.
  private func isActive(pair: Int, _ active: SeriesBitmap?) -> Bool {
    if let activePairs { return activePairs.contains(pair) }
    guard let active else { return false }
    return view.directory.withContent { content in
      var isActive = false
      content.forEachSeries(ofPair: pair) { series in
        guard series < active.universe else { return false }
        isActive = active.contains(series)
        return !isActive
      }
      return isActive
    }
  }
}
