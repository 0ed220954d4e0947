import Logging
import NeedletailBlocks
import NeedletailCluster
import NeedletailEnvironment

extension ClusterNode {
  /// What of the running server the cluster's part needs.
  struct Surroundings: Sendable {
    var storage: NodeStorage
    var series: SeriesStore
    var events: EventStore
    /// Over what this node itself holds, with the gate and the threads of other nodes' questions.
    var queries: QueryService
    /// Where other nodes reach this one.
    var address: ListenAddress
    /// That of the program.
    var version: String
    var executor: ThreadExecutor
    /// Threads on which nothing else waits: repair reads for long.
    var repairExecutor: ThreadExecutor
    var fileSystem: any FileSystem
    var clock: any WallClock
    var random: any RandomSource
    var logger: Logger
    var complaints: PeerComplaints
    /// Nil where nothing is said over TLS.
    var credentials: NodeCredentials?
  }

  /// The parts of a node that is a member by its configuration; nil where it is none.
  ///
  /// Throws `StartupError`, `ConfigurationError` and `InvalidNodeRecord`.
  init?(_ configuration: ServerConfiguration, _ surroundings: Surroundings) throws {
    guard let name = configuration.nodeName, let disk = surroundings.storage.cluster else { return nil }
    let (storage, clock, logger) = (surroundings.storage, surroundings.clock, surroundings.logger)
    let record = try NodeRecord(
      node: NodeID(name), identity: disk.folder.identity, address: PeerAddress(surroundings.address.description),
      zone: configuration.zone, weight: configuration.weight, roles: configuration.roles,
      version: surroundings.version, isEmpty: disk.topology.topology == nil && !(try storage.hasData))
    if let topology = disk.topology.topology,
      let mismatch = ClusterMember.mismatch(topology.decider, hasEtcd: !configuration.etcd.endpoints.isEmpty)
    {
      throw StartupError(mismatch)
    }
    let view = ClusterView(own: record.node, identity: record.identity)
    // Others may write to it before it has read what it kept for them.
    if let topology = disk.topology.topology { view.take(ClusterLayout(topology)) }
    let tls = Self.tls(surroundings)
    let token = try configuration.tokenFile.map { path throws(ConfigurationError) in
      try TokenCheck.tokens(file: path, fileSystem: surroundings.fileSystem)
    }?.first
    let channels = PeerChannels { PeerChannel($0, tls: tls, token: token) }
    let member = ClusterMember(
      record,
      ClusterMember.Settings(
        seeds: configuration.seeds.map { PeerAddress($0.description) }, replication: configuration.replication,
        writeLevel: configuration.writeQuorum, slotCount: storage.folder.slotCount),
      state: disk.topology, folder: disk.folder, view: view, channels: channels,
      etcd: try EtcdClient(
        configuration.etcd, fileSystem: surroundings.fileSystem, executor: surroundings.executor),
      executor: surroundings.executor, clock: clock, random: surroundings.random, logger: logger)
    let repair = RepairService(
      cluster: view, contents: RepairContents([storage.series, storage.logs, storage.spans]),
      logLosses: storage.logLosses,
      dataFolder: configuration.dataFolder, fileSystem: surroundings.fileSystem,
      retention: configuration.retention.nanoseconds,
      hooks: Self.hooks(member, view, storage.journal),
      clock: clock, random: surroundings.random, executor: surroundings.repairExecutor, logger: logger)
    let sink = StorageSink(series: storage.series, logs: storage.logs, spans: storage.spans)
    let writing = ReplicatedWriting(
      view: view, storage: sink, dataFolder: configuration.dataFolder, fileSystem: surroundings.fileSystem,
      clock: clock, random: surroundings.random, executor: surroundings.executor, logger: logger,
      repair: { [asking = CompareAsking(view)] node, note in Self.urge(repair, asking, view, node, note) })
    let reads = ClusterReads(
      view: view, replicas: repair, series: surroundings.series, events: surroundings.events,
      executor: surroundings.queries.executor, clock: clock, random: surroundings.random,
      standard: ReadOptions(consistency: configuration.readQuorum),
      heard: { epoch, node in member.post(.heard(epoch: epoch, node)) })
    self.init(
      view: view, member: member, writing: writing, repair: repair, reads: reads,
      responder: ReadResponder(reads: reads, queries: surroundings.queries), channels: channels,
      complaints: surroundings.complaints,
      scrub: ScrubLoop(
        folder: storage.folder, clock: clock, logger: logger, report: { await repair.report($0) }),
      descriptionsRefused: { [series = storage.series] in series.statistics.metadataRefused }, clock: clock)
  }

  private static func hooks(
    _ member: ClusterMember, _ view: ClusterView, _ journal: Journal
  ) -> RepairService.Hooks {
    let tenures = TenureBook(of: view.own, identity: view.identity, in: view)
    return RepairService.Hooks(
      since: { slot, record, settled in tenures.since(slot, record: record, settled: settled) },
      isFromTheStart: { slot in tenures.isFromTheStart(slot) },
      lost: { member.post(.damaged) },
      heard: { epoch, node in member.post(.heard(epoch: epoch, node)) },
      sync: { try journal.sync() })
  }

  /// A node misses what no hint will bring it: this node compares the slots with it where it holds them too, and asks
  /// another holder of the others to do so.
  private static func urge(
    _ repair: RepairService, _ asking: CompareAsking, _ view: ClusterView, _ node: NodeID, _ note: HintNote
  ) {
    guard let layout = view.layout else { return }
    let slots = note.isAll ? layout.slots(of: node) : SlotSet(note.slots)
    let partners = node == view.own ? Array(view.peers.keys.sorted()) : [node]
    for partner in partners {
      var shared = slots
      for slot in slots {
        let holders = layout.writers(of: slot)
        if !holders.contains(partner) || !holders.contains(view.own) { shared.remove(slot) }
      }
      if !shared.isEmpty { repair.compare(shared, with: partner) }
    }
    guard node != view.own else { return }
    var others: [NodeID: SlotSet] = [:]
    for slot in slots {
      let holders = layout.writers(of: slot)
      guard holders.contains(node), !holders.contains(view.own),
        let other = holders.first(where: { $0 != node && view.isPresent($0) })
      else { continue }
      others[other, default: []].insert(slot)
    }
    for (other, slots) in others {
      _ = asking.ask(other, CompareRequest(with: node, slots, windows: .min ... .max))
    }
  }

  /// How this node talks to others over TLS.
  private static func tls(_ surroundings: Surroundings) -> PeerTLS? {
    guard let credentials = surroundings.credentials, let first = credentials.calls else { return nil }
    return PeerTLS(complaints: surroundings.complaints) { credentials.calls ?? first }
  }
}
