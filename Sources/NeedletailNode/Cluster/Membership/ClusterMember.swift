// A node as a member of its cluster: what comes from others and from the clock is handled one after the other, each with
// all that follows from it, so that what has to be on disk is there before anything is said of it.
// ClusterMember+Topology.swift has what follows for who holds what, ClusterMember+Control.swift what operators ask.

import Logging
import NeedletailCluster
import NeedletailEnvironment

/// Hears who is there, agrees with the others on who holds what, and tells the other parts of the node.
actor ClusterMember {
  enum Event: Sendable {
    case tick
    case members(MembershipMessage)
    case topology(TopologyMessage)
    /// What a seed, or another member, answered when it was asked whether to found a cluster.
    case standing(TopologyMessage, from: PeerAddress)
    /// What a new owner says of its slots.
    case progress(TopologyMessage)
    /// A node is said to know a newer topology.
    case heard(epoch: UInt64, NodeID)
    /// Something was found lost on this node's disk: the others have to know before it is filled.
    case damaged
    case change(Topology, CheckedContinuation<ChangeOutcome, Never>)
    /// A member that holds no slots is gone for good.
    case forget(NodeID, CheckedContinuation<ChangeOutcome, Never>)
    /// This node stops, when what it has begun is done.
    case stopping
    /// What became of a request to etcd.
    case etcd(UInt64, Result<EtcdAnswer, EtcdFailure>)

    /// Who waits for what becomes of it.
    var waiter: CheckedContinuation<ChangeOutcome, Never>? {
      switch self {
      case .change(_, let waiter), .forget(_, let waiter): waiter
      default: nil
      }
    }
  }

  /// What became of a change.
  enum ChangeOutcome: Sendable {
    case decided(TopologyOutcome)
    /// Another one is being decided on.
    case busy
    /// It is not decided; why, in words.
    case refused(String)
  }

  /// What of a node does not change while it runs.
  struct Settings: Sendable {
    var seeds: [PeerAddress]
    var replication: Int
    var writeLevel: WriteLevel
    var slotCount: Int
  }

  /// How many events may wait; what is beyond is dropped and counted, as networks do.
  private static let eventsMax = 4096
  static let proposalTimeout: Int64 = 10_000_000_000
  /// How long a node without seeds listens whether there is a cluster that it has lost with its disk, in ns.
  private static let aloneAfter: Int64 = 5_000_000_000
  /// How long a node that stops waits until the others have heard so.
  private static let farewellMax = Duration.seconds(1)

  let view: ClusterView
  let settings: Settings
  let folder: ClusterFolder
  let executor: ThreadExecutor
  let channels: PeerChannels
  let clock: any WallClock
  let logger: Logger
  var membership: Membership
  var register: TopologyRegister
  var founding: Founding
  var change: RingChange?
  var generator: SeededGenerator
  var replicas: (any LocalReplicas)?
  private var listeners: [any ClusterListener] = []
  /// Nil where the node uses no etcd.
  var etcd: Etcd?
  /// Who waits for what it proposed.
  var proposer: CheckedContinuation<ChangeOutcome, Never>?
  /// Whether something was lost here that the topology does not count yet: what it counted then.
  var lossesBefore: UInt32?
  /// When this node may propose something of its own again.
  var proposeAt = Int64.min
  /// What the others are told at the end.
  private var farewell: Task<Void, Never>?
  private let events: AsyncStream<Event>
  private nonisolated let continuation: AsyncStream<Event>.Continuation
  private let timer: WakeTimer
  private nonisolated let droppedCount = Lock(0)

  /// A member that has on disk what `state` says.
  init(
    _ record: NodeRecord, _ settings: Settings, state: TopologyState, folder: ClusterFolder, view: ClusterView,
    channels: PeerChannels, etcd client: EtcdClient? = nil, executor: ThreadExecutor, clock: any WallClock,
    random: any RandomSource, logger: Logger
  ) {
    self.view = view
    self.settings = settings
    self.folder = folder
    self.executor = executor
    self.channels = channels
    self.clock = clock
    self.logger = logger
    membership = Membership(record, run: random.next(), seeds: settings.seeds)
    let decider: TopologyDecider = client == nil ? .members : .etcd
    register = TopologyRegister(record.node, identity: record.identity, state: state, decider: decider)
    etcd = client.map { Etcd($0, record, replicas: settings.replication, knowing: state.topology) }
    var options = FoundingOptions()
    options.aloneAfter = Self.aloneAfter
    founding = Founding(record, seeds: settings.seeds, decider: decider, options: options)
    if let topology = state.topology { founding.learned(topology) }
    generator = SeededGenerator(seed: random.next())
    let (events, continuation) = AsyncStream.makeStream(
      of: Event.self, bufferingPolicy: .bufferingOldest(Self.eventsMax))
    self.events = events
    self.continuation = continuation
    timer = WakeTimer(clock: clock) { continuation.yield(.tick) }
  }

  /// Events that found no room.
  nonisolated var dropped: Int { droppedCount.withLock { $0 } }

  /// Hands an event over; it is handled after those before it.
  nonisolated func post(_ event: Event) {
    if case .enqueued = continuation.yield(event) { return }
    droppedCount.withLock { $0 += 1 }
    event.waiter?.resume(returning: .busy)
  }

  /// Takes part until the task is cancelled.
  ///
  /// Throws `StartupError` where the node may not be a member.
  func run(telling listeners: [any ClusterListener], replicas: any LocalReplicas) async throws {
    self.listeners = listeners
    self.replicas = replicas
    if let topology = register.topology { try await take(topology) }
    post(.tick)
    var failure: (any Error)?
    do {
      for await event in events {
        try await handle(event)
        timer.set(nextTick)
      }
    } catch { failure = error }
    await end()
    if let failure { throw failure }
    sayAway()
    await farewell?.value
  }

  /// Tells the others that this node stops, so that they do without it from now on, and not when they have missed it.
  private func sayAway() {
    guard farewell == nil else { return }
    let actions = membership.suspend(now: clock.monotonicNanoseconds(), random: &generator)
    let messages = actions.compactMap { action -> (MembershipMessage, PeerAddress)? in
      if case .send(let message, let address) = action { (message, address) } else { nil }
    }
    // The task of this node is cancelled by now, and theirs is not.
    farewell = Task { [channels] in
      await withDiscardingTaskGroup { group in
        for (message, address) in messages {
          group.addTask { await channels.deliver(.gossip, message.encoded(), to: address, within: Self.farewellMax) }
        }
      }
    }
  }

  /// Nobody waits for an answer that will not come.
  private func end() async {
    timer.set(nil)
    end(.busy)
    continuation.finish()
    for await event in events { event.waiter?.resume(returning: .busy) }
  }

  private var nextTick: Int64 {
    let times = [
      membership.nextDeadline, register.nextTick, founding.nextTick, change?.nextTick, etcd?.nextTick,
    ].compactMap { $0 }
    return times.min() ?? .max
  }

  private func handle(_ event: Event) async throws {
    let now = clock.monotonicNanoseconds()
    switch event {
    case .tick: try await tick(now)
    case .members(let message):
      try await perform(membership.receive(message, from: message.sender.address, now: now, random: &generator))
    case .topology(let message): try await perform(register.receive(message, now: now, using: &generator))
    case .standing(let message, let address):
      try await perform(founding.receive(message, from: address, now: now), now)
    case .progress(let message): change?.receive(message)
    case .heard(let epoch, let node):
      try await perform(register.heard(epoch, from: node, now: now, using: &generator))
    case .damaged:
      // With another disk than the one that is named all of it is lost, and the new name says so.
      guard let own = register.topology?.member(view.own), own.identity == view.identity else { return }
      lossesBefore = lossesBefore ?? own.losses
    case .change(let topology, let waiter): try await propose(topology, for: waiter, now)
    case .forget(let node, let waiter):
      // Who has come to life meanwhile, or holds slots by now, is not gone.
      guard membership.member(node)?.status == .dead, register.topology?.member(node) == nil,
        let actions = try? membership.remove(node, now: now, random: &generator)
      else {
        return waiter.resume(
          returning: .refused("\(node) is there again, or holds slots by now: look with cluster status"))
      }
      waiter.resume(returning: .decided(.chosen))
      try await perform(actions)
    case .stopping: sayAway()
    case .etcd(let id, let result): try await answered(id, result, now)
    }
  }

  private func tick(_ now: Int64) async throws {
    try await perform(membership.tick(now: now, random: &generator))
    try await perform(register.tick(now: now, using: &generator))
    try await perform(founding.tick(now: now, using: &generator), now)
    try await tickEtcd(now)
    let present = members.filter { $0.node == view.own || $0.status.isPresent }
      .map { TopologyVoter($0.node, $0.record.identity) }
    for action in change?.tick(now: now, own: view.own, present: present) ?? [] {
      switch action {
      case .ask(let node): askProgress(of: node)
      case .propose(let topology): try await proposeOwn(topology, now)
      }
    }
    if let topology = changeOfOwn { try await proposeOwn(topology, now) }
  }

  // MARK: - Members

  func perform(_ actions: [MembershipAction]) async throws {
    for action in actions {
      switch action {
      case .send(let message, let address): channels.send(.gossip, message.encoded(), to: address)
      case .changed(let member): await changed(member)
      case .refused(let refusal): throw StartupError("this node may not be a member of its cluster: \(refusal)")
      case .left: break
      }
    }
  }

  private func changed(_ member: Member) async {
    guard member.node != view.own else { return }
    let wasPresent = view.isPresent(member.node)
    let channel = ListenAddress(member.record.address.text).flatMap { channels.channel(to: $0) }
    let isCollector = member.record.roles.contains(.collector)
    view.note(
      member.node,
      channel.map { .init(isPresent: member.status.isPresent, channel: $0, isCollector: isCollector) })
    let others = membership.members.filter { $0.status.isPresent && $0.node != view.own }
    register.setPeers(others.map(\.node))
    founding.setOthers(others.map(\.record.address))
    if member.status.isFinal { return await tell(.removed(member.node)) }
    guard wasPresent != view.isPresent(member.node) else { return }
    logger.info(
      "a member of the cluster is \(wasPresent ? "away" : "there")",
      metadata: ["node": "\(member.node)", "address": "\(member.record.address)", "status": "\(member.status)"])
    await tell(wasPresent ? .absent(member.node) : .present(member.node))
  }

  func tell(_ event: ClusterEvent) async {
    for listener in listeners { await listener.heard(event) }
  }
}
