import NeedletailTelemetry

/// The names and values of a directory that series of one head have: those of which the head has nothing are left out.
///
/// For listing names and values; selecting works on the directory's own view, with the head asked for what was found.
struct HeadIndexView: SeriesIndexView {
  /// With fewer than one of so many series active, their pairs are gathered instead of asking each pair.
  private static let sparseShare = 16

  private let view: DirectoryView
  private let active: SeriesBitmap
  /// The pairs that active series have; nil where most have some.
  private let activePairs: SeriesBitmap?

  /// Nil where the directory has nothing of the tenant.
  init?(_ head: SeriesHead, of tenant: TenantID) {
    guard let view = head.directory.view(of: tenant) else { return nil }
    self.view = view
    var active = SeriesBitmap(universe: view.universe)
    let series = head.withStorage({ $0.activeSeries }).filter { Int($0) < view.universe }
    for number in series { active.insert(Int(number)) }
    self.active = active
    var pairs: SeriesBitmap?
    if series.count * Self.sparseShare < view.universe {
      var found = SeriesBitmap(universe: view.records.pairs.count)
      for number in series { view.records.forEachPair(Int(number)) { found.insert($0) } }
      pairs = found
    }
    activePairs = pairs
  }

  var universe: Int { view.universe }

  func insertAll(into set: inout SeriesBitmap) {
    view.insertAll(into: &set)
    set.formIntersection(active)
  }

  func forEachName(_ body: (UnsafeRawBufferPointer) -> Void) {
    for name in 0..<view.records.names.count where Int(view.records.names[name].tenant) == view.tenant {
      let pairs = view.directory.withContent { content in
        content.pairs(ofName: name).filter { Int($0) < view.records.pairs.count }
      }
      if pairs.contains(where: { isActive(pair: Int($0)) }) { view.records.withName(name, body) }
    }
  }

  func forEachValue(of name: String, _ body: (UnsafeRawBufferPointer, Int) -> Void) {
    for pair in view.pairs(ofName: name) where isActive(pair: Int(pair)) {
      view.records.withValue(Int(pair)) { body($0, Int(pair)) }
    }
  }

  func number(of value: String, name: String) -> Int? { view.number(of: value, name: name) }

  func insertSeries(withValue number: Int, into set: inout SeriesBitmap) {
    view.insertSeries(withValue: number, into: &set)
    set.formIntersection(active)
  }

  /// Whether the head has something of a series with this pair; mostly the first one tells.
  private func isActive(pair: Int) -> Bool {
    if let activePairs { return activePairs.contains(pair) }
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
