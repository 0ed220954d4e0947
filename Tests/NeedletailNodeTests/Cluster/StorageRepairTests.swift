import Foundation
import NeedletailBlocks
import NeedletailCluster
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Repair between real storages", .serialized) struct StorageRepairTests {
  private static let hour: Int64 = 3_600_000
  private static let now = Int64(Date().timeIntervalSince1970) * 1000
  /// Few, and most of them hold something: what is looked at is the same in each.
  private static let slots = 64

  /// Opens a storage whose folder is of so many slots, if it is new.
  static func open(_ folder: TemporaryFolder, slots: Int = slots) throws -> NodeStorage {
    let path = folder.path + "/data"
    let configuration = try ServerConfiguration.load(flags: ["data": path], environment: [:], file: nil)
    try DataFolder.open(
      path, on: PosixFileSystem(), random: SystemRandomSource(), slotCount: slots, holder: "test",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) }
    ).close()
    return try NodeStorage(
      configuration, fileSystem: PosixFileSystem(), clock: SystemClock(), random: SystemRandomSource())
  }

  /// Appends samples of some series, most of which tell when their counts began, and a description for each series: of all of
  /// these a storage takes each with this chance.
  static func fill(_ storages: [NodeStorage], series: Int = 30, seed: UInt64, share: Double) async throws {
    var generator = SeededGenerator(seed: seed)
    for number in 0..<series {
      let labels = LabelSet(["__name__": "requests", "number": "\(number)"])
      let id = SeriesID(labels, tenant: .default)
      var builders = storages.map { _ in SeriesBatchBuilder() }
      let start = number % 3 == 0 ? nil : now - 31 * hour - Int64(number)
      for index in builders.indices { builders[index].beginSeries(id, startTimestamp: start) }
      for sample in 0..<60 as Range<Int64> {
        let time = now - 30 * hour + sample * hour / 2
        let first = Int.random(in: 0..<storages.count, using: &generator)
        for index in builders.indices
        where index == first || Double.random(in: 0..<1, using: &generator) < share {
          builders[index].append(timestamp: time, valueBits: Double(sample * Int64(number)).bitPattern)
        }
      }
      let described = Int.random(in: 0..<storages.count, using: &generator)
      for (index, storage) in storages.enumerated() {
        var definitions = SeriesDefinitionsBuilder()
        definitions.append(id, labels: labels)
        if index == described || Double.random(in: 0..<1, using: &generator) < share {
          definitions.append(metric: "metric_\(number)", MetricMetadata(kind: .counter, help: "\(number % 5)"))
        }
        let all = definitions.build(tenant: .default)
        let built = builders[index].build(tenant: .default, batchID: Hash128(high: UInt64(index), low: UInt64(number)))
        _ = try await storage.series.append(try #require(built), definitions: all)
      }
    }
  }

  private static func digests(_ storage: NodeStorage) throws -> [SlotWindow] {
    try storage.series.digests(of: .min ... .max)
  }

  private static func answer(_ storage: NodeStorage) async throws -> [String] {
    let query = "sum by (number) (count_over_time(requests[40h])) + sum by (number) (sum_over_time(requests[40h]))"
    let source = SeriesStore(engine: storage.series, losses: [])
    let result = try await QueryEngine(series: source).instant(
      try PrometheusAPI.parse(query), text: query, tenant: .default, at: now)
    guard case .vector(let columns) = result.value else { return [] }
    return PeerMessageTests.text(columns).sorted()
  }

  /// Runs repair over the storages, with all slots compared by every node.
  static func run<Result: Sendable>(
    _ storages: [NodeStorage], folders: [TemporaryFolder], founding: Set<Int>,
    _ body: @escaping @Sendable (RepairNodes) async throws -> Result
  ) async throws -> Result {
    var pace = RepairNodes.pace
    // Rounds come to nothing within the test: what is looked at is what fills and differences ask for.
    pace.exchanges.pause = 3_600_000_000_000
    // A machine that has much else to do is no fault.
    pace.exchanges.timeout = 60_000_000_000
    return try await RepairNodes.run(
      storages.map { RepairContents([$0.series]) }, disks: storages.map { _ in PosixFileSystem() },
      folders: folders.map { $0.path + "/data" }, founding: founding, pace: pace,
      sync: { try storages[$0].journal.sync() }, body)
  }

  /// Has each node compare each of its slots with both others; whether all of that came to an end.
  private static func compareAll(_ cluster: RepairNodes) async -> Bool {
    let ended = cluster.nodes.map { node in
      node.service.counters.value.exchanges + node.service.counters.value.unfinished
    }
    let all = SlotSet((0..<UInt16(slots)))
    for node in cluster.nodes {
      for other in cluster.nodes where other.id != node.id { node.service.compare(all, with: other.id) }
    }
    return await RepairNodes.eventually {
      zip(cluster.nodes, ended).allSatisfy { node, before in
        let counted = node.service.counters.value
        return counted.exchanges + counted.unfinished >= before + 2 * slots
      }
    }
  }

  @Test("Storages with different samples become equal, and answer alike")
  func union() async throws {
    let folders = try (0..<3).map { _ in try TemporaryFolder() }
    let storages = try folders.map { try Self.open($0) }
    try await Self.fill(storages, seed: 1, share: 0.6)
    // Parts and heads are compared alike.
    _ = try storages[1].flush()
    try await Self.run(storages, folders: folders, founding: [0, 1, 2]) { cluster in
      await cluster.hear(epoch: 1, slots: Self.slots)
      // What gets no answer in time on a busy machine the next round compares again.
      var digests = try storages.map { try Self.digests($0) }
      for _ in 0..<8 where digests[0] != digests[1] || digests[1] != digests[2] {
        #expect(await Self.compareAll(cluster))
        digests = try storages.map { try Self.digests($0) }
      }
      #expect(digests[0] == digests[1] && digests[1] == digests[2])
      let count = digests[0].reduce(UInt64(0)) { sum, window in window.digests.reduce(sum) { $0 + $1.count } }
      #expect(count == 1_830)
      let answers = try await [Self.answer(storages[0]), Self.answer(storages[1]), Self.answer(storages[2])]
      #expect(answers[0].count == 30 && answers[0] == answers[1] && answers[1] == answers[2])
    }
    for storage in storages { storage.close() }
  }

  @Test("An emptied storage is filled, and has what it was filled with after a restart")
  func filling() async throws {
    let folders = try (0..<3).map { _ in try TemporaryFolder() }
    let storages = try folders.map { try Self.open($0) }
    try await Self.fill(Array(storages[..<2]), seed: 2, share: 1)
    try await Self.run(storages, folders: folders, founding: [0, 1]) { cluster in
      await cluster.hear(epoch: 1, slots: Self.slots)
      #expect(!cluster.isReady(2, slots: Self.slots))
      await cluster.hear(epoch: 2, slots: Self.slots)
      #expect(await RepairNodes.eventually { cluster.isReady(2, slots: Self.slots) })
      let digests = try storages.map { try Self.digests($0) }
      #expect(digests[2] == digests[0] && !digests[0].isEmpty)
    }
    storages[2].close()
    let again = try Self.open(folders[2])
    let digests = [try Self.digests(again), try Self.digests(storages[0])]
    #expect(digests[0] == digests[1])
    let file = RepairStateFile(
      folder: folders[2].path + "/data", fileSystem: PosixFileSystem(), identity: RepairNodes.identities[2])
    #expect(file.load().state.records.values.count { $0.lacks.isEmpty } == Self.slots)
    again.close()
    for storage in storages[..<2] { storage.close() }
  }

  @Test("A part that cannot be read is left out, and what it had comes back from others")
  func damage() async throws {
    let folders = try (0..<3).map { _ in try TemporaryFolder() }
    var storages = try folders.map { try Self.open($0) }
    try await Self.fill(storages, seed: 3, share: 1)
    _ = try storages[0].flush()
    let wanted = try Self.digests(storages[1])
    storages[0].close()
    try Self.damagePart(of: folders[0])
    storages[0] = try Self.open(folders[0])
    #expect(!storages[0].series.damagedWindows().isEmpty)
    try await Self.run(storages, folders: folders, founding: [0, 1, 2]) { [storages] cluster in
      await cluster.hear(epoch: 1, slots: Self.slots)
      #expect(await RepairNodes.eventually { cluster.nodes[0].losses.value >= 1 })
      #expect(!cluster.isReady(0, slots: Self.slots))
      await cluster.hear(epoch: 2, slots: Self.slots)
      #expect(await RepairNodes.eventually { cluster.isReady(0, slots: Self.slots) })
      let found = try Self.digests(storages[0])
      #expect(found == wanted)
      #expect(storages[0].series.damagedWindows().isEmpty)
    }
    for storage in storages { storage.close() }
  }

  @Test("The only replica of a slot hands over all but what it cannot open, which it keeps")
  func damageOfTheOnlyReplica() async throws {
    let folders = try (0..<2).map { _ in try TemporaryFolder() }
    var storages = try folders.map { try Self.open($0) }
    try await Self.fill([storages[0]], seed: 4, share: 1)
    _ = try storages[0].flush()
    try await Self.fill([storages[0]], series: 31, seed: 5, share: 1)
    storages[0].close()
    try Self.damagePart(of: folders[0])
    storages[0] = try Self.open(folders[0])
    let lost = storages[0].series.unreadableParts.count
    #expect(lost > 0)
    try await Self.run(storages, folders: folders, founding: [0]) { [storages] cluster in
      for epoch in 1...2 as ClosedRange<UInt64> {
        let slots = try #require(SlotMap(count: Self.slots))
        let one = HashRing([RingMember(cluster.nodes[0].id)])
        let two = HashRing(cluster.nodes.map { RingMember($0.id) })
        let layout = ClusterLayout(
          epoch: epoch, assignment: SlotAssignment(one, slots: slots, replicaCount: 1),
          next: SlotAssignment(two, slots: slots, replicaCount: 2), writeLevel: .quorum)
        for node in cluster.nodes {
          node.view.take(layout)
          await node.service.heard(.layout(layout))
        }
        #expect(await RepairNodes.eventually { cluster.nodes[0].losses.value >= 1 })
      }
      #expect(await RepairNodes.eventually { cluster.isReady(1, slots: Self.slots) })
      let digests = try storages.map { try Self.digests($0) }
      #expect(digests[0] == digests[1] && !digests[1].isEmpty)
      // It stays where it is, and whoever asks is told.
      #expect(storages[0].series.unreadableParts.count == lost)
    }
    for storage in storages { storage.close() }
  }

  private static func damagePart(of folder: TemporaryFolder) throws {
    let parts = folder.path + "/data/parts"
    let part = try #require(try FileManager.default.contentsOfDirectory(atPath: parts).sorted().first)
    let header = URL(fileURLWithPath: parts + "/" + part + "/header")
    var bytes = try Data(contentsOf: header)
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: header)
  }
}
