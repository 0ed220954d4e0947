/// All writes under way of one collector: whom to send each to and when again, when it is acknowledged, what its missing replicas get.
///
/// A write is acknowledged when each of its slots has W of its N replicas' acknowledgements, and fails when a slot cannot get them
/// any more, at the latest at its deadline. A replica that misses an acknowledged write gets a hint (`HintQueue`), which counts
/// for nothing; a write that failed leaves no hints, because its caller sends it again. An outcome is told once. The payload is
/// held until `forget`: when every replica of an acknowledged write has it, has a durable hint of it, or was given up aloud, or
/// when the write failed.
///
/// Times are monotonic nanoseconds. Events about writes that are not held any more change nothing. Actions are to be performed in
/// their order. What touches one answer is O(groups of the node), whatever the number of slots.
package struct ReplicatedWrites: Sendable {
  package enum Action: Equatable, Sendable {
    /// Send the node its rows of the write, with the definitions of all their series where it wants them.
    case send(WriteID, NodeID, attempt: UInt8, withDefinitions: Bool)
    /// Make a durable hint of the node's rows, then tell `hinted` or `hintGivenUp`.
    case hint(WriteID, NodeID)
    /// The node lacks an acknowledged write and will get no hint: its slots of the write are in need of repair.
    case gaveUp(WriteID, NodeID)
    /// Tell the caller.
    case complete(WriteID, WriteOutcome)
    /// The payload may be freed, and what is being sent of it may be stopped.
    case forget(WriteID)
  }

  package let limits: WriteLimits
  package internal(set) var counters = WriteCounters()
  /// The payload that is held, in bytes.
  package private(set) var bytes = 0
  private var serials: UInt64 = 0
  private var indexOf: [WriteID: Int] = [:]
  private var freePeers: [Int] = []
  private var freeWrites: [Int] = []
  private var peerOf: [NodeID: Int] = [:]
  var peers: [WritePeer] = []
  /// A free place holds `WriteUnderWay.none`.
  var writes: [WriteUnderWay] = []
  var timers = TimerQueue()
  #if DEBUG
    /// What a test broke.
    var planted: PlantedWriteBug?
  #endif

  package init(limits: WriteLimits = WriteLimits()) { self.limits = limits }

  /// Writes whose payload is held.
  package var count: Int { indexOf.count }

  /// When `tick` is to be called at the latest, should nothing else happen; nil where nothing is awaited. Too early does no harm.
  package var nextTick: Int64? { timers.first }

  /// What waits for the answer of a node: writes, and their payload in bytes.
  package func queued(for node: NodeID) -> (writes: Int, bytes: Int) {
    peerOf[node].map { (peers[$0].queuedWrites, peers[$0].queuedBytes) } ?? (0, 0)
  }

  /// Begins a write of `bytes` bytes of payload. Throws where it is not taken on, and nothing is to be done then.
  ///
  /// `level` says how many have to acknowledge in groups that do not say it themselves (those of a topology do).
  /// Nodes that are down, that failed too often or for which too much waits are not asked; where W cannot be got without them,
  /// nobody is: the write fails at once, or, where only too much waits, is refused.
  package mutating func begin(
    _ id: WriteID, bytes: Int, to targets: WriteTargets, level: WriteLevel = .all, now: Int64, deadline: Int64
  ) throws(WriteRefused) -> [Action] {
    guard indexOf[id] == nil else { throw .underWay }
    guard bytes <= limits.bytesMax else { throw .tooLarge }
    guard count < limits.writesMax, bytes <= limits.bytesMax - self.bytes else { throw overloaded(bytes) }
    let places = targets.nodes.map { peer(of: $0) }
    defer { for peer in places { releaseIfUnused(peer) } }
    serials += 1
    var write = WriteUnderWay(
      id, serial: serials, bytes: bytes, deadline: deadline, targets: targets, peers: places, level: level,
      missing: isPlanted(.oneTooFew))
    var isCrowded = false
    for (place, peer) in places.enumerated() where deadline > now && peers[peer].isAskable(at: now) {
      if peers[peer].hasRoom(for: bytes, limits) {
        write.ask(place, at: now, until: min(deadline, now &+ limits.attemptTimeout))
      } else {
        isCrowded = true
      }
    }
    guard write.isPossible else {
      if isCrowded { throw overloaded(bytes) }
      counters.begun += 1
      counters.unavailable += 1
      let wait = places.map { peers[$0].breaker.wait(at: now) }.max() ?? 0
      return [.complete(id, .unavailable(retryAfter: seconds(wait))), .forget(id)]
    }
    counters.begun += 1
    return insert(write, now: now)
  }

  private mutating func insert(_ write: WriteUnderWay, now: Int64) -> [Action] {
    var actions: [Action] = []
    for replica in write.replicas {
      peers[replica.peer].writes += 1
      guard replica.state == .sending else { continue }
      enqueue(replica.peer, write.bytes)
      _ = peers[replica.peer].breaker.admit(at: now)
      actions.append(.send(write.id, peers[replica.peer].node, attempt: 1, withDefinitions: false))
    }
    bytes += write.bytes
    let index = freeWrites.popLast() ?? writes.count
    if index == writes.count { writes.append(write) } else { writes[index] = write }
    indexOf[write.id] = index
    if isPlanted(.hintCounts) { countMissed(index) }
    settle(index, &actions)
    return actions
  }

  private mutating func overloaded(_ bytes: Int) -> WriteRefused {
    counters.overloaded += 1
    counters.overloadedBytes &+= bytes
    return .overloaded(retryAfter: limits.retryAfter.lowerBound)
  }

  /// Whole seconds that a caller is told to wait.
  func seconds(_ nanoseconds: Int64) -> Int {
    let up = nanoseconds / 1_000_000_000 + (nanoseconds % 1_000_000_000 > 0 ? 1 : 0)
    return min(max(Int(clamping: up), limits.retryAfter.lowerBound), limits.retryAfter.upperBound)
  }

  /// Where a write is held; nil where it is not.
  func index(of id: WriteID) -> Int? { indexOf[id] }

  private mutating func peer(of node: NodeID) -> Int {
    if let known = peerOf[node] { return known }
    var breaker = CircuitBreaker(limits.breaker)
    #if DEBUG
      breaker.planted = planted
    #endif
    let index = freePeers.popLast() ?? peers.count
    let peer = WritePeer(node: node, breaker: breaker)
    if index == peers.count { peers.append(peer) } else { peers[index] = peer }
    peerOf[node] = index
    return index
  }

  /// The nodes that did not answer often enough to be asked no more for now.
  package var silentNodes: Set<NodeID> { Set(peerOf.filter { !peers[$0.value].breaker.isClosed }.keys) }

  /// What is known of a node that was removed goes with the last write to it.
  func isUnused(_ peer: Int) -> Bool { peers[peer].isRemoved && peers[peer].writes == 0 }

  mutating func releaseIfUnused(_ peer: Int) {
    guard isUnused(peer), peerOf.removeValue(forKey: peers[peer].node) != nil else { return }
    freePeers.append(peer)
  }

  /// Notes that a node is up, down or removed, also one that nothing was sent to yet.
  mutating func mark(_ node: NodeID, isDown: Bool, isRemoved: Bool) -> Int {
    let index = peer(of: node)
    peers[index].isDown = isDown
    peers[index].isRemoved = isRemoved
    return index
  }

  mutating func enqueue(_ peer: Int, _ bytes: Int) {
    peers[peer].queuedWrites += 1
    peers[peer].queuedBytes += bytes
  }

  mutating func dequeue(_ peer: Int, _ bytes: Int) {
    if isPlanted(.queueLeaks) { return }
    peers[peer].queuedWrites -= 1
    peers[peer].queuedBytes -= bytes
  }

  /// Frees a write. O(nodes of the write).
  mutating func remove(_ index: Int) {
    let write = writes[index]
    writes[index] = .none
    indexOf[write.id] = nil
    freeWrites.append(index)
    bytes -= write.bytes
    for replica in write.replicas {
      if replica.state.isAsked { dequeue(replica.peer, write.bytes) }
      peers[replica.peer].writes -= 1
      releaseIfUnused(replica.peer)
    }
    // Entries of writes that ended early would pile up until their time.
    if timers.count > 2 * count + 64 {
      let held = writes
      timers.keep { held[$0.index].serial == $0.serial && held[$0.index].timer == $0.time }
    }
  }

  func isPlanted(_ bug: PlantedWriteBug) -> Bool {
    #if DEBUG
      planted == bug
    #else
      false
    #endif
  }
}
