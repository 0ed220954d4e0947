import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("The directory of series")
struct SeriesDirectoryTests {
  private static let tenants = [TenantID.default, TenantID("other") ?? .default, TenantID("a-third") ?? .default]

  @Test("a posting list reads back as the numbers that were added", arguments: 1...10)
  func postings(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var pages = PostingPages()
    var lists = [PostingChain](repeating: PostingChain(), count: 200)
    var model = [[UInt32]](repeating: [], count: lists.count)
    let steps: [UInt32] = [1, 1, 2, 127, 128, 129, 16_383, 16_384, 2_097_152, 300_000_000]
    for _ in 0..<20_000 {
      // The first lists are long, the last ones short.
      let list = generator.int(0...generator.int(0...lists.count - 1))
      let (next, isOver) = (model[list].last ?? 0).addingReportingOverflow(generator.pick(steps))
      let member = model[list].isEmpty ? UInt32(generator.int(0...300)) : next
      if isOver { continue }
      pages.append(member, to: &lists[list])
      model[list].append(member)
      // A member that is there already changes nothing.
      if generator.oneIn(10) { pages.append(member, to: &lists[list]) }
    }
    for list in lists.indices {
      var read: [UInt32] = []
      pages.forEach(lists[list]) {
        read.append($0)
        return true
      }
      #expect(read == model[list], "seed \(seed)")
      #expect(Int(lists[list].count) == model[list].count)
      var first: [UInt32] = []
      pages.forEach(lists[list]) {
        first.append($0)
        return first.count < 3
      }
      #expect(first == Array(model[list].prefix(3)))
    }
  }

  @Test("tenants and pairs of series read back as the numbers that were added", arguments: 1...10)
  func labelLists(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var lists = LabelLists()
    var model: [(tenant: UInt32, pairs: [UInt32])] = []
    let limits = [1, 255, 256, 65_535, 65_536, 1 << 24 - 1, 1 << 24, Int(UInt32.max)]
    for _ in 0..<2_000 {
      let limit = generator.pick(limits)
      let count = generator.oneIn(50) ? generator.pick([61, 62, 63, 64, 255, 256, 70_000]) : generator.int(0...20)
      let pairs = (0..<count).map { _ in UInt32(generator.int(limit / 2...limit)) }
      let tenant = UInt32(generator.oneIn(10) ? generator.pick(limits) : generator.int(0...2))
      lists.append(tenant: tenant, pairs)
      model.append((tenant, pairs))
    }
    #expect(lists.count == model.count)
    for (series, expected) in model.enumerated() {
      let list = lists[series]
      #expect(list.tenant == Int(expected.tenant), "seed \(seed)")
      #expect((0..<list.count).map { list[$0] } == expected.pairs.map { Int($0) }, "seed \(seed)")
    }
  }

  /// Series of three tenants with labels of all lengths, some equal in two tenants.
  private func fill(
    _ directory: SeriesDirectory, _ generator: inout TelemetryGenerator
  ) -> [(id: SeriesID, tenant: TenantID, labels: LabelSet)] {
    var model: [(id: SeriesID, tenant: TenantID, labels: LabelSet)] = []
    for _ in 0..<600 {
      var labels = generator.labelSet().labels
      if generator.oneIn(8) { labels.removeAll { $0.name == LabelSet.nameLabel } }
      if generator.oneIn(3) { labels.append(Label("n", "\(generator.int(0...400))")) }
      if generator.oneIn(30) {
        labels.append(Label("long", String(repeating: "x", count: generator.int(100...400_000))))
      }
      let set = LabelSet(labels)
      let tenant = generator.pick(Self.tenants)
      let id = SeriesID(set, tenant: tenant)
      directory.withContent { content in
        let known = content.find(id)
        #expect(known == model.firstIndex { $0.id == id })
        guard known == nil else { return }
        let added = set.withUnsafeBytes { content.add(id, tenant: tenant, labels: $0) }
        #expect(added == model.count)
        model.append((id, tenant, set))
      }
    }
    return model
  }

  @Test("identities, labels and the series of every label are those of the model, tenant by tenant", arguments: 1...8)
  func model(seed: Int) throws {
    let comment: Comment = "seed \(seed)"
    var generator = TelemetryGenerator(seed: UInt64(seed))
    let directory = SeriesDirectory()
    let model = fill(directory, &generator)
    let records = directory.records
    #expect(records.count == model.count)
    for (number, series) in model.enumerated() {
      #expect(records.id(number) == series.id, comment)
      #expect(records.labels(number) == series.labels, comment)
      #expect(records.tenants[records.tenant(number)] == series.tenant, comment)
    }
    for tenant in Self.tenants {
      let view = try #require(directory.view(of: tenant))
      let own = model.indices.filter { model[$0].tenant == tenant }
      var names = Set<String>()
      view.forEachName { names.insert(String(decoding: $0, as: UTF8.self)) }
      #expect(names == Set(own.flatMap { model[$0].labels.labels.map(\.name) }), comment)
      for name in names {
        var found: [String: [Int]] = [:]
        view.forEachValue(of: name) { value, pair in
          var series = SeriesBitmap(universe: view.universe)
          view.insertSeries(withValue: pair, into: &series)
          series.forEach { found[String(decoding: value, as: UTF8.self), default: []].append($0) }
        }
        let having = own.filter { model[$0].labels[name] != nil }
        let expected = Dictionary(grouping: having) { model[$0].labels[name] ?? "" }
        #expect(found == expected, comment)
      }
      for _ in 0..<40 {
        var matchers: [LabelMatcher] = []
        for _ in 0..<generator.int(0...3) { matchers.append(try generator.matcher()) }
        var selected: [Int] = []
        view.select(matchers).forEach { selected.append($0) }
        #expect(
          selected == own.filter { number in matchers.allSatisfy { $0.matches(model[number].labels) } },
          "\(matchers), \(comment)")
      }
    }
  }

  @Test("a view sees nothing of the series that came after it")
  func views() throws {
    var generator = TelemetryGenerator(seed: 77)
    let directory = SeriesDirectory()
    _ = fill(directory, &generator)
    let view = try #require(directory.view(of: .default))
    let before = view.select([])
    let matcher = try LabelMatcher("n", .notEqual, "")
    let selected = view.select([matcher])
    _ = directory.withContent { content in
      for number in 0..<500 {
        let labels = LabelSet(["__name__": "up", "n": "late \(number)"])
        _ = labels.withUnsafeBytes { content.add(SeriesID(labels, tenant: .default), tenant: .default, labels: $0) }
      }
      return content.count
    }
    #expect(view.select([]).members == before.members)
    #expect(view.select([matcher]).members == selected.members)
    let later = try #require(directory.view(of: .default))
    #expect(later.select([matcher]).members.count >= selected.members.count + 500)
  }

  @Test("series sorted by ranks stand as comparing their texts would have them", arguments: 1...8)
  func order(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 500)
    let directory = SeriesDirectory()
    let model = fill(directory, &generator)
    let some = model.indices.filter { _ in !generator.oneIn(4) }.shuffled(using: &generator.random)
    let sorted = directory.records.sorted(some.map { UInt32($0) }).map { Int($0) }
    let expected = some.sorted { left, right in
      let (one, other) = (model[left], model[right])
      if one.tenant != other.tenant { return one.tenant.description < other.tenant.description }
      let names = (Array((one.labels.metricName ?? "").utf8), Array((other.labels.metricName ?? "").utf8))
      if names.0 != names.1 { return names.0.lexicographicallyPrecedes(names.1) }
      let texts = [one, other].map { $0.labels.labels.flatMap { [Array($0.name.utf8), Array($0.value.utf8)] } }
      return texts[0].lexicographicallyPrecedes(texts[1]) { $0.lexicographicallyPrecedes($1) }
    }
    #expect(sorted == expected, "seed \(seed)")
    for (left, right) in zip(sorted, sorted.dropFirst()) where model[left].tenant == model[right].tenant {
      #expect(
        model[left].labels.withUnsafeBytes { left in
          model[right].labels.withUnsafeBytes { SeriesOrder.precedes(left, $0) }
        }, "seed \(seed)")
    }
  }

  @Test("a fresh directory is due when less than half of the series were active in the last two generations")
  func generations() {
    var content = DirectoryContent()
    func add(_ count: Int) {
      for _ in 0..<count {
        let labels = LabelSet(["n": "\(content.count)"])
        _ = labels.withUnsafeBytes { content.add(SeriesID(labels, tenant: .default), tenant: .default, labels: $0) }
      }
    }
    func end(active: Range<Int>) -> Bool {
      for series in active { content.noteActive(series) }
      return content.endGeneration(active: active.count, bytesMax: .max)
    }
    add(100)
    let kept = [end(active: 0..<100), end(active: 0..<10), end(active: 0..<40), end(active: 30..<60)]
    #expect(kept == [false, false, true, false], "of 100: 100, then 100, then 40, then 60 in two generations")
    let steady = (0..<600).map { _ in end(active: 20..<80) }
    #expect(!steady.contains(true), "the same series over and over")
    let isTooLarge = content.endGeneration(active: 0, bytesMax: 10)
    #expect(isTooLarge, "or when it takes more than it may")
  }
}
