import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("The format of a part")
struct PartFormatTests {
  private struct Content {
    var labels: LabelSet
    var samples: [(time: Int64, bits: UInt64)] = []
    var exemplars: [StoredExemplar] = []
  }

  private func folder(_ disk: FaultyFileSystem) throws -> PartsFolder {
    try disk.createDirectory("/parts")
    return PartsFolder(path: "/parts", fileSystem: disk, nextID: PartID(1))
  }

  /// Labels of few or of very many values, some huge.
  private func labels(_ generator: inout TelemetryGenerator, wide: Bool) -> LabelSet {
    if generator.oneIn(40) { return .empty }
    let names = ["__name__", "A", "job", "instance", "path", "z"]
    return LabelSet(
      (0..<generator.int(1...6)).map { _ in
        let length = generator.oneIn(60) ? generator.int(1000...40_000) : 0
        let value = "\(generator.int(0...(wide ? 100_000 : 3)))" + String(repeating: "v", count: length)
        return Label(generator.pick(names), value)
      })
  }

  private func content(_ generator: inout TelemetryGenerator, day: Int64, wide: Bool) -> [String: [Content]] {
    var tenants: [String: [Content]] = [:]
    for tenant in ["t1", "t2", "zz", "a"].prefix(generator.int(1...4)) {
      let sets = Set((0..<generator.int(1...(wide ? 1200 : 30))).map { _ in labels(&generator, wide: wide) })
      let sorted = sets.sorted { left, right in
        left.withUnsafeBytes { left in right.withUnsafeBytes { SeriesOrder.precedes(left, $0) } }
      }
      tenants[tenant] = sorted.map { labels in
        var content = Content(labels: labels)
        let start = day * SeriesEngine.dayMilliseconds
        let times = Set((0..<generator.int(0...5)).map { _ in start + Int64(generator.int(0...86_399_999)) }).sorted()
        content.samples = times.map { ($0, generator.valueBits()) }
        if generator.oneIn(10) || times.isEmpty {
          content.exemplars = [
            StoredExemplar(series: 0, timestamp: start, bits: 1, labels: LabelSet(["a": "b"]).canonicalBytes)
          ]
        }
        return content
      }
    }
    return tenants
  }

  /// Some as the series' record has it, some not.
  private static func starts(_ count: Int) -> StartMarks {
    var starts = StartMarks()
    for index in 0..<count { starts.append(count == 2 ? 5 : Int64(index / 2) * 5, from: index) }
    return starts
  }

  private func write(_ tenants: [String: [Content]], day: Int64, to folder: PartsFolder) throws -> SeriesPart {
    let builder = try SeriesPartBuilder(day: day, level: 0, slots: .standard, blockBytes: 700, folder: folder)
    for name in tenants.keys.sorted() {
      let tenant = try #require(TenantID(name))
      for series in tenants[name] ?? [] {
        try series.labels.withUnsafeBytes {
          try builder.begin(SeriesID(series.labels, tenant: tenant), tenant: tenant, labels: $0, start: 5)
        }
        let (times, values) = (series.samples.map(\.time), series.samples.map { Double(bitPattern: $0.bits) })
        try times.withUnsafeBufferPointer { times in
          try values.withUnsafeBufferPointer { try builder.append(times, $0, starts: Self.starts(times.count)) }
        }
        try builder.append(series.exemplars)
      }
    }
    return try SeriesPart(try builder.finish(metadata: []), in: folder)
  }

  @Test("whatever was added comes back, series by series and matcher by matcher", arguments: 1...20)
  func comesBack(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 40_000)
    let day = generator.pick([0, -1, 20_000, SeriesEngine.day(of: .min) + 1, SeriesEngine.day(of: .max) - 1])
    let tenants = content(&generator, day: day, wide: seed == 6)
    let part = try write(tenants, day: day, to: folder(FaultyFileSystem(seed: 1)))
    let index = PartIndex(
      part,
      cache: PartBlockCache(
        indexBytesMax: generator.pick([20_000, 1 << 20]), sampleBytesMax: generator.pick([0, 20_000, 1 << 20])))
    var reader = PartSeriesReader(index)
    var samples = SampleScan(part)
    var exemplars = ExemplarScan(part)
    var number = 0
    for name in tenants.keys.sorted() {
      let tenant = try #require(TenantID(name))
      let first = number
      for series in tenants[name] ?? [] {
        let record = try reader.record(number)
        #expect(record.id == SeriesID(series.labels, tenant: tenant))
        #expect(record.startTimestamp == 5)
        #expect(try reader.labels(of: number) == series.labels.canonicalBytes)
        var columns = SampleColumns()
        try samples.read(
          PartScan.Runs(record.samples, count: record.sampleRuns, start: record.startTimestamp), from: .min, to: .max,
          into: &columns)
        #expect(columns.starts == Self.starts(columns.count))
        #expect(columns.timestamps == series.samples.map(\.time))
        #expect(columns.values == series.samples.map(\.bits))
        #expect(try exemplars.next(of: number)?.timestamp == series.exemplars.first?.timestamp)
        number += 1
      }
      let view = try #require(index.view(of: tenant))
      let all = tenants[name] ?? []
      try check(view, all, first: first, &generator)
    }
    #expect(number == part.content.seriesCount)
    #expect(index.takeDamage() == nil)
  }

  private func check(
    _ view: PartIndexView, _ all: [Content], first: Int, _ generator: inout TelemetryGenerator
  ) throws {
    var matchers = try (0..<6).map { _ in try generator.matcher() }
    for _ in 0..<6 {
      guard let label = generator.pick(all).labels.labels.first else { continue }
      matchers.append(LabelMatcher(label.name, equals: label.value))
      matchers.append(try LabelMatcher(label.name, .notEqual, label.value))
      matchers.append(try LabelMatcher(label.name, .matches, "\(label.value.prefix(2)).*"))
    }
    for matcher in matchers {
      var found: [Int] = []
      view.select([matcher]).forEach { found.append($0) }
      #expect(found == all.indices.filter { matcher.matches(all[$0].labels) }.map { $0 + first }, "\(matcher)")
    }
    for name in ["__name__", "A", "job", "none"] {
      let values = Set(all.compactMap { $0.labels[name] })
      var found: [String] = []
      view.forEachValue(of: name) { value, _ in found.append(String(decoding: value, as: UTF8.self)) }
      #expect(found == values.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
      #expect(view.valueCount(of: name) == values.count)
      var beginning: [String] = []
      view.forEachValue(of: name, from: [UInt8(ascii: "1")]) { value, _ in
        beginning.append(String(decoding: value, as: UTF8.self))
      }
      #expect(beginning == found.filter { $0.hasPrefix("1") })
      for value in values.prefix(5) {
        let number = try #require(view.number(of: value, name: name))
        #expect(view.memberCount(ofValue: number) == all.count { $0.labels[name] == value })
      }
    }
  }

  @Test("posting lists come back in whichever form is smallest", arguments: 1...40)
  func postingLists(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 50_000)
    let universe = generator.int(1...5000)
    let numbers: [UInt32] =
      switch seed % 4 {
      case 0: Array(Set((0..<20).map { _ in UInt32(generator.int(0...universe - 1)) })).sorted()
      case 1: (0..<UInt32(universe)).filter { _ in generator.oneIn(2) }
      case 2: Array(UInt32(universe / 3)..<UInt32(universe))
      default: (0..<UInt32(universe)).filter { $0 % 100 < 60 }
      }
    guard !numbers.isEmpty else { return }
    var bytes: [UInt8] = []
    PostingList.encode(numbers[...], to: &bytes)
    #expect(bytes.count <= universe / 8 + 8)
    var set = SeriesBitmap(universe: universe)
    try bytes.withUnsafeBytes { try PostingList.insert($0, into: &set) }
    var found: [UInt32] = []
    set.forEach { found.append(UInt32($0)) }
    #expect(found == numbers)
    #expect(bytes.withUnsafeBytes { PostingList.count($0) } == numbers.count)
  }

  @Test("changed and cut bytes of a part are refused or harmless, whatever the checksums say", arguments: 1...20)
  func mutated(seed: Int) throws {
    var generator = TelemetryGenerator(seed: UInt64(seed) &+ 60_000)
    let part = try write(
      content(&generator, day: 3, wide: false), day: 3, to: folder(FaultyFileSystem(seed: 1)))
    let content = part.content
    for _ in 0..<60 {
      _ = try? PartContent(decoding: damaged(content.encoded(), &generator))
      for kind in [
        PartBlockKind.names, PartBlockKind.dictionary, PartBlockKind.postings, PartBlockKind.series,
        PartBlockKind.labels, PartBlockKind.samples, PartBlockKind.times,
      ]
      where !content.blocks(kind).isEmpty {
        let bytes = damaged(try part.block(0, kind: kind), &generator)
        decode(bytes, kind, content)
      }
    }
  }

  private func damaged(_ bytes: [UInt8], _ generator: inout TelemetryGenerator) -> [UInt8] {
    var bytes = bytes
    guard !bytes.isEmpty else { return bytes }
    if generator.oneIn(3) { return Array(bytes.prefix(generator.int(0...bytes.count - 1))) }
    for _ in 0..<generator.int(1...4) {
      bytes[generator.int(0...bytes.count - 1)] = generator.pick([
        0, 1, 0x7f, 0x80, 0xff, UInt8(generator.int(0...255)),
      ])
    }
    return bytes
  }

  private func decode(_ bytes: [UInt8], _ kind: UInt8, _ content: PartContent) {
    let count = min(SeriesBlock.seriesMax, content.seriesCount)
    let values = content.things(inBlock: 0, kind: kind, end: content.valueCount).count
    bytes.withUnsafeBytes { raw in
      switch kind {
      case PartBlockKind.names:
        let blocks = content.blocks(PartBlockKind.dictionary).count
        _ = try? NamesBlock(
          decoding: bytes, tenantCount: content.tenants.count, dictionaryBlocks: blocks,
          valueCount: content.valueCount)
      case PartBlockKind.dictionary: _ = try? DictionaryBlock(decoding: raw, first: 0, count: values)
      case PartBlockKind.postings:
        guard let block = try? PostingsBlock(decoding: bytes, first: 0, count: values) else { return }
        for number in block.numbers {
          var set = SeriesBitmap(universe: content.seriesCount)
          try? block.insertSeries(withValue: number, into: &set)
          _ = block.memberCount(ofValue: number)
        }
      case PartBlockKind.series: _ = try? SeriesBlock(decoding: raw, count: count)
      case PartBlockKind.labels:
        guard let block = try? LabelBlock(decoding: raw, count: count, valueCount: content.valueCount) else { return }
        for index in 0..<block.count { _ = block.labels(index) }
      default:
        var reader = ByteReader(raw)
        while let header = try? SampleRun.header(&reader, mayHaveStarts: true) {
          _ = try? RunStarts.decode(UnsafeRawBufferPointer(rebasing: raw[header.starts]), count: 2)
          var decoded: [Double] = []
          try? SampleRun.decode(UnsafeRawBufferPointer(rebasing: raw[header.values]), count: 2, into: &decoded)
        }
      }
    }
  }
}
