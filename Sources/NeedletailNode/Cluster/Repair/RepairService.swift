// The repair of this node: performs what the state machines decide. They run in this actor; what blocks runs on the
// storage's threads, and rows are stored by tasks of their own. Two lanes read: what is told from digests that are kept
// does not wait behind a walk over rows, and never are there two walks at once.

import Logging
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// Compares the slots of this node with their other replicas, brings both sides what they lack, and knows which slots
/// are whole here.
///
/// It begins with the first layout that it hears of; until then the node is ready for nothing.
actor RepairService: ClusterListener {
  /// What others have to do or to know.
  struct Hooks: Sendable {
    /// With which epoch the node became a replica of a slot of the layout, where its record says that one, and all
    /// records were brought to the epoch `settled`; nil where it is none.
    var since: @Sendable (_ slot: UInt16, _ record: UInt64?, _ settled: UInt64) -> UInt64?
    /// Whether nothing can have been acknowledged of the slot before this node held it, on the disk that it has: then
    /// it needs no record to be ready.
    var isFromTheStart: @Sendable (_ slot: UInt16) -> Bool
    /// Something durable is lost here, or the disk is a new one: the cluster needs a new version of its layout, before
    /// which nothing that is compared counts. Told again until there is one.
    var lost: @Sendable () async -> Void
    /// Another node knows a newer layout than this one.
    var heard: @Sendable (_ epoch: UInt64, NodeID) -> Void
    /// Makes what was appended so far durable. Blocks.
    var sync: @Sendable () throws -> Void
  }

  nonisolated let readinessCopy = LocalReadiness()
  nonisolated let counters = RepairCounters()
  nonisolated let cluster: ClusterView
  let contents: RepairContents
  let hooks: Hooks
  let pace: RepairPace
  let logger: Logger
  let executor: ThreadExecutor
  private let file: RepairStateFile
  private let clock: any WallClock
  private let windows: RepairWindows
  /// What the log had lost when it was read at the start, in words.
  private let logLosses: [String]

  var machine: AntiEntropy
  var readiness: ReplicaReadiness
  /// What a change under way has this node compare of slots that it keeps.
  var kept: KeptSlots
  /// Those of them that were compared, with what others had not being known to be on disk yet.
  var unsynced = UnsyncedSlots()
  var held: SlotSet = []
  /// What the disk has, or is about to have.
  private(set) var state = RepairState()
  /// The records that the disk has.
  private var storedRecords: [UInt16: ReplicaReadiness.Record] = [:]
  /// What is owed as the disk has it; that was told.
  private var storedOwed: OwedLoss?
  private var isLoaded = false
  private var isNew = false
  /// That of the layout that counts here; it is on disk.
  private(set) var epoch: UInt64 = 0
  private(set) var layout: ClusterLayout?
  private var coming: ClusterLayout?
  var knownDamages: [RepairDamage] = []
  /// What scrubs found; the engines tell of what they met themselves.
  var reported: [RepairDamage] = []
  /// Damages that are noted on disk and whose parts are still there, and in the way of comparisons.
  var toLeaveOut: [RepairDamage] = []
  /// Those of which the parts are still there, cannot be opened, and are in nobody's way.
  var passedOver: [RepairDamage] = []
  var isLooking = false

  private(set) var isDirty = false
  private var writing: Task<Void, Never>?
  private var lookAt: Int64 = .min
  private var cursorKeptAt: Int64 = .min
  private var isCursorDirty = false

  var reading: [ReadingLane] = [ReadingLane(), ReadingLane()]
  var sendingCount = 0
  private var waiter: CheckedContinuation<Void, Never>?
  private var isKicked = false

  /// Nothing happens before the first layout comes (`heard`), and nothing by itself before `run`.
  ///
  /// `dataFolder` is where the file of what is whole lies; `retention` is in ns, nil for ever. `logLosses` is what the
  /// log lost, now or before, each in words that stay the same. The threads of the executor are this service's: two of
  /// them may read for long.
  init(
    cluster: ClusterView, contents: RepairContents, logLosses: [String] = [], dataFolder: String,
    fileSystem: any FileSystem,
    retention: Int64?, hooks: Hooks, pace: RepairPace = RepairPace(), clock: any WallClock,
    random: any RandomSource, executor: ThreadExecutor, logger: Logger
  ) {
    self.cluster = cluster
    self.contents = contents
    self.logLosses = logLosses
    self.hooks = hooks
    self.pace = pace
    self.logger = logger
    self.executor = executor
    self.clock = clock
    file = RepairStateFile(folder: dataFolder, fileSystem: fileSystem, identity: cluster.identity)
    windows = RepairWindows(retention: retention, settleAfter: pace.settleAfter)
    var generator = SeededGenerator(seed: random.next())
    machine = AntiEntropy(pace.exchanges, cursor: nil, using: &generator)
    readiness = ReplicaReadiness(cluster.own, records: [:])
    kept = KeptSlots(of: cluster.own)
    seed = random.next()
  }

  /// Of the numbers of exchanges.
  private let seed: UInt64

  // MARK: - What it sees

  var now: UInt64 { UInt64(clamping: clock.monotonicNanoseconds()) }

  var view: RepairView {
    let wall = clock.wallNanoseconds()
    return RepairView(
      identity: cluster.identity, firstWindow: windows.first(at: wall), lastWindow: windows.last(at: wall),
      held: held, epoch: epoch, readiness: readiness, told: readinessCopy, cluster: cluster)
  }

  // MARK: - The cluster

  func heard(_ event: ClusterEvent) async {
    switch event {
    case .layout(let layout): await hear(layout)
    case .present, .absent, .removed: kick()
    }
  }

  /// A layout counts when it is on disk here: a node that forgot it would compare under one that named a disk that is
  /// gone.
  private func hear(_ layout: ClusterLayout) async {
    await load()
    guard layout.epoch >= max(state.epoch, epoch) else { return }
    coming = layout
    state.epoch = layout.epoch
    await written()
  }

  private func load() async {
    guard !isLoaded else { return }
    isLoaded = true
    let file = file
    let loaded = (try? await executor.run { file.load() }) ?? (state: RepairState(), isNew: true)
    (state, isNew) = loaded
    (storedRecords, storedOwed) = (state.records, state.owed)
    var generator = SeededGenerator(seed: seed)
    machine = AntiEntropy(pace.exchanges, cursor: state.cursor, using: &generator)
    readiness = ReplicaReadiness(cluster.own, records: state.records)
  }

  private func adopt(_ layout: ClusterLayout) {
    let own = layout.slots(of: cluster.own)
    let isFirst = self.layout == nil
    (self.layout, epoch) = (layout, layout.epoch)
    // A newer one may have come while this one was written.
    if let coming, coming.epoch <= epoch { self.coming = nil }
    if own.isEmpty || isKnown(state.owed, in: layout) { state.owed = nil }
    if isFirst { found(own) }
    for slot in state.records.keys.sorted() where !own.contains(slot) { perform(readiness.unassigned(slot)) }
    held = own
    var duties: [UInt16: [NodeID]] = [:]
    var lacks: [UInt16: [ClosedRange<Int64>]] = [:]
    for slot in own { assign(slot, layout) }
    if isFirst { takeLogLosses() }
    if let topology = layout.topology {
      kept.adopt(topology, ring: layout.assignment, next: layout.next) { readiness.fill(of: $0) }
    }
    for slot in own {
      lacks[slot] = toldLacks(of: slot)
      duties[slot] = layout.writers(of: slot).filter { $0 != cluster.own }
    }
    readinessCopy.adopt(own, lacks: lacks, kept: toldKept, epoch: epoch)
    machine.setDuties(duties)
    state.settled = layout.epoch
    markDirty()
    let named = layout.assignment.slots(of: cluster.own).filter { readiness.state(of: $0) != .ready }
    if isFirst, isNew, !named.isEmpty {
      logger.error("the disk is a new one; others bring what it has to hold")
      owe()
    } else if let member = layout.topology?.member(cluster.own), member.identity != cluster.identity, state.owed == nil
    {
      owe()
    } else if isFirst, let owed = state.owed, owed == storedOwed {
      tellLost()
    }
    urgeFills()
    kick()
  }

  /// Slots of which there was nothing to lack before this node held them have records from the start.
  private func found(_ own: SlotSet) {
    for slot in own where state.records[slot] == nil && hooks.isFromTheStart(slot) {
      guard let since = hooks.since(slot, nil, state.settled) else { continue }
      state.records[slot] = ReplicaReadiness.Record(since: since, lacks: [])
    }
    readiness = ReplicaReadiness(cluster.own, records: state.records)
  }

  /// What the log lost since a record was last made may be of any slot and window.
  private func takeLogLosses() {
    guard state.noteLosses(logLosses), !held.isEmpty else { return }
    logger.error("the log has lost something; other replicas are asked for it")
    owe()
    for slot in held { perform(readiness.damaged(slot, .min ... .max)) }
    counters.count { $0.damages += 1 }
  }

  private func isKnown(_ owed: OwedLoss?, in layout: ClusterLayout) -> Bool {
    owed?.isKnown(in: layout, own: cluster.own, identity: cluster.identity) ?? false
  }

  /// Something is lost: what is compared counts from a layout on that is made after it is noted on disk.
  func owe() {
    let known = cluster.layout ?? layout
    var (epoch, losses) = (epoch, UInt32(0))
    if let known, let topology = known.topology {
      epoch = max(epoch, known.epoch)
      losses = topology.member(cluster.own)?.losses ?? 0
    }
    if let owed = state.owed {
      // One that was told may be on its way into a topology, without this one.
      let isTold = owed == storedOwed
      (epoch, losses) = (max(epoch, owed.epoch), max(losses, isTold ? min(owed.losses, .max - 1) + 1 : owed.losses))
    }
    state.owed = OwedLoss(epoch: epoch, losses: min(losses, .max - 1))
    markDirty()
  }

  /// Not awaited, since what follows from it is a layout, which may wait for this one.
  private func tellLost() {
    Task { [hooks] in await hooks.lost() }
  }

  /// This node is one of a slot's replicas, or is to be one.
  private func assign(_ slot: UInt16, _ layout: ClusterLayout) {
    let owners = layout.readers(of: slot)
    let quorum = layout.replication.acknowledgements(of: owners.count)
    let since = hooks.since(slot, state.records[slot]?.since, state.settled) ?? layout.epoch
    // A newcomer has all owners as others, so that as many of them as a read asks are one fewer of these.
    let isOwner = owners.contains(cluster.own)
    perform(
      readiness.assigned(
        slot, replicas: owners + [cluster.own], writeQuorum: isOwner ? quorum : quorum + 1, since: since,
        epoch: layout.epoch))
  }

  // MARK: - The disk

  private func markDirty() {
    isDirty = true
    guard writing == nil else { return }
    writing = Task { await writeAll() }
  }

  /// Waits until all that was to be kept so far is on disk, or could not be.
  func written() async {
    markDirty()
    await writing?.value
  }

  private func writeAll() async {
    while isDirty {
      isDirty = false
      isCursorDirty = false
      let (snapshot, layout, file, sync, mark) = (state, coming, file, hooks.sync, unsynced.mark)
      do {
        // What makes a slot ready is on disk before the word of it is.
        try await executor.run {
          try sync()
          try file.store(snapshot)
        }
      } catch {
        counters.count { $0.recordsFailed += 1 }
        logger.error("what repair knows could not be kept and will be tried again", metadata: ["reason": "\(error)"])
        isDirty = true
        break
      }
      if unsynced.synced(upTo: mark) { readinessCopy.note(kept: toldKept) }
      stored(snapshot)
      if let layout, layout.epoch <= snapshot.epoch, layout.epoch >= epoch { adopt(layout) }
    }
    writing = nil
  }

  /// This is on disk now, and so is all that came before them: others may hear what is whole by them.
  private func stored(_ snapshot: RepairState) {
    let before = storedRecords
    storedRecords = snapshot.records
    for slot in held where before[slot] != storedRecords[slot] { readinessCopy.note(slot, lacks: toldLacks(of: slot)) }
    guard storedOwed != snapshot.owed else { return }
    storedOwed = snapshot.owed
    if snapshot.owed != nil { tellLost() }
  }

  /// What others hear that the node may lack of a slot: that it lacks more at once, that it lacks less when the record
  /// which says so is on disk.
  private func toldLacks(of slot: UInt16) -> [ClosedRange<Int64>] {
    guard let stored = storedRecords[slot], stored.since == state.records[slot]?.since else { return [.min ... .max] }
    return readiness.lacks(slot) + stored.lacks
  }

  func keep(_ cursor: AntiEntropy.Cursor) {
    state.cursor = cursor
    isCursorDirty = true
  }

  func perform(_ actions: [ReplicaReadiness.Action]) {
    for action in actions {
      switch action {
      case .store(let slot, let record):
        state.records[slot] = record
        readinessCopy.note(slot, lacks: toldLacks(of: slot))
        markDirty()
      case .ready(let slot, let grounds):
        counters.count { $0.slotsBecameReady += 1 }
        guard grounds == .everybody else { continue }
        logger.warning(
          "a slot is taken for whole with what all its replicas had: more of them had lost their disks than writes allow for",
          metadata: ["slot": "\(slot)"])
      }
    }
  }

  // MARK: - Fills

  /// Another replica was compared to the end.
  func compared(_ comparison: ReplicaReadiness.Comparison) {
    counters.count { $0.exchanges += 1 }
    // Before the loss has its epoch, the other one may still take writes that name what is gone.
    guard state.owed == nil, !isToLeaveOut(comparison.slot) else { return }
    if kept.compared(comparison) {
      // Rows that both had may be in this node's memory alone: others hear of it when they are on disk.
      unsynced.insert(comparison.slot)
      markDirty()
    }
    let fill = readiness.fill(of: comparison.slot)
    perform(readiness.compared(comparison))
    if readiness.fill(of: comparison.slot) != fill { urgeFill(comparison.slot) }
  }

  func urgeFill(_ slot: UInt16) {
    guard state.owed == nil, !isToLeaveOut(slot), let awaited = readiness.awaited(slot) else { return }
    for partner in awaited.partners { machine.urge(slot, with: partner, windows: awaited.windows, isFill: true) }
  }

  /// Compares all slots out of turn, with one node or with all others; returns how many exchanges were asked for.
  func compareAll(with node: NodeID?) -> Int {
    guard let layout else { return 0 }
    var count = 0
    for slot in held {
      for partner in layout.writers(of: slot) where partner != cluster.own && (node == nil || partner == node) {
        if machine.urge(slot, with: partner) { count += 1 }
      }
    }
    kick()
    return count
  }

  // MARK: - Time

  /// Works until its task is cancelled.
  func run() async {
    while !Task.isCancelled {
      let pause = tick()
      await wait(pause)
    }
  }

  /// Does what is due; returns how long there is nothing to do, in ns.
  private func tick() -> Int64 {
    // Also of windows that have not settled, which rounds leave for later: reads find first what a replica missed.
    for difference in readinessCopy.takeDifferences() {
      for slot in difference.slots where held.contains(slot) {
        guard layout?.writers(of: slot).contains(difference.node) == true else { continue }
        machine.urge(slot, with: difference.node, windows: difference.windows, isFound: true)
      }
    }
    perform(machine.tick(now: now, view))
    let time = clock.monotonicNanoseconds()
    if time >= lookAt { look(time) }
    let next = Int64(clamping: machine.wakeAt(now: now))
    // Not for ever at one instant: what waits for a node that is away is looked at now and then.
    return min(max(next &- time, 20_000_000), max(1_000_000, lookAt &- time))
  }

  private func look(_ time: Int64) {
    lookAt = time &+ pace.lookAfter
    perform(readiness.expired(before: view.firstWindow))
    // The word of it may have got lost with a crash, or with a topology that came to nothing.
    if let owed = state.owed, owed == storedOwed, let known = cluster.layout, !isKnown(owed, in: known) { tellLost() }
    urgeFills()
    if isCursorDirty, time >= cursorKeptAt {
      cursorKeptAt = time &+ pace.keepCursorAfter
      markDirty()
    } else if isDirty {
      markDirty()
    }
    Task { await lookForDamage() }
  }

  func kick() {
    isKicked = true
    waiter?.resume()
    waiter = nil
  }

  private func wait(_ nanoseconds: Int64) async {
    let timer = Task { [self] in
      try? await Task.sleep(for: .nanoseconds(nanoseconds))
      if !Task.isCancelled { kick() }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if isKicked || Task.isCancelled { return continuation.resume() }
        waiter = continuation
      }
    } onCancel: {
      Task { await kick() }
    }
    isKicked = false
    timer.cancel()
  }
}
