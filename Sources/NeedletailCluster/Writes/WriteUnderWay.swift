/// A write whose payload is held: how far each of its groups and replicas is. It only counts; `ReplicatedWrites` asks the nodes.
struct WriteUnderWay: Sendable {
  enum ReplicaState: Equatable, Sendable {
    /// An attempt is under way, until its time.
    case sending
    /// The next attempt is due at its time.
    case waiting
    /// Not asked any more; it gets a hint if the write succeeds.
    case missed
    /// It will never take the write, or must not have it; a hint would be in vain.
    case barred
    /// A hint was asked for and is not durable yet.
    case hinting
    /// It has the write on disk.
    case acknowledged
    /// A hint of the write is durable.
    case hinted
    /// It has neither, and that was told.
    case givenUp

    /// Whether the replica may still acknowledge by itself.
    var isAsked: Bool { self == .sending || self == .waiting }
    /// Whether the payload is not needed for this replica any more.
    var isSettled: Bool { self == .acknowledged || self == .hinted || self == .givenUp }
  }

  struct Replica: Sendable {
    /// The node's place in the table of peers.
    let peer: Int
    var state: ReplicaState
    var attempt: UInt8 = 0
    var withDefinitions = false
    /// When the attempt has to be answered, or the next one is due.
    var time: Int64 = 0
  }

  private struct Tally: Sendable {
    /// W.
    let needed: Int32
    /// Acknowledgements that are missing of it.
    var missing: Int32
    /// Replicas that may still acknowledge.
    var asked: Int32
    /// Replicas that have not refused for good.
    var willing: Int32
  }

  let id: WriteID
  let serial: UInt64
  let bytes: Int
  let deadline: Int64
  let targets: WriteTargets
  private(set) var replicas: [Replica]
  private var tallies: [Tally]
  /// Groups that have not W acknowledgements yet.
  private var groupsShort: Int
  /// Whether some group cannot get W any more, by itself or because replicas refused for good.
  private(set) var isHopeless = false
  private(set) var isRefused = false
  private(set) var unsettled: Int
  var isComplete = false
  var isPastDeadline = false
  /// How long the caller of a failed write should wait, in ns.
  var wait: Int64 = 0
  /// The time of the write's entry among the timers.
  var timer = Int64.max

  /// A write that no node was asked for yet, as if all were missed: see `ask`.
  init(
    _ id: WriteID, serial: UInt64, bytes: Int, deadline: Int64, targets: WriteTargets, peers: [Int], level: WriteLevel,
    missing isOneTooFew: Bool = false
  ) {
    self.id = id
    self.serial = serial
    self.bytes = bytes
    self.deadline = deadline
    self.targets = targets
    replicas = peers.map { Replica(peer: $0, state: .missed) }
    tallies = targets.groupSizes.map { size in
      let needed = Int32(clamping: max(1, level.acknowledgements(of: Int(size)) - (isOneTooFew ? 1 : 0)))
      return Tally(needed: needed, missing: needed, asked: 0, willing: size)
    }
    groupsShort = tallies.count
    unsettled = peers.count
  }

  var isAcknowledgedByAll: Bool { groupsShort == 0 }

  /// Whether every group would still have W replicas to wait for.
  var isPossible: Bool { tallies.allSatisfy { $0.asked >= $0.missing } }

  /// A node is asked from now on.
  mutating func ask(_ place: Int, until time: Int64) {
    replicas[place].state = .sending
    replicas[place].attempt = 1
    replicas[place].time = time
    for group in targets.groupsOfNode[place] { tallies[Int(group)].asked += 1 }
  }

  /// Another attempt begins.
  mutating func askAgain(_ place: Int, until time: Int64) {
    replicas[place].state = .sending
    replicas[place].attempt += 1
    replicas[place].time = time
  }

  mutating func addDefinitions(_ place: Int) { replicas[place].withDefinitions = true }

  /// Another attempt is due at a time.
  mutating func wait(_ place: Int, until time: Int64) {
    replicas[place].state = .waiting
    replicas[place].time = time
  }

  /// A replica has the write, which counts once, whatever was thought of the replica before.
  ///
  /// O(groups of the node).
  mutating func acknowledge(_ place: Int) {
    let before = replicas[place].state
    guard before != .acknowledged else { return }
    move(place, to: .acknowledged)
    countAcknowledgement(place, wasAsked: before.isAsked)
  }

  private mutating func countAcknowledgement(_ place: Int, wasAsked: Bool) {
    for group in targets.groupsOfNode[place] {
      tallies[Int(group)].missing -= 1
      if wasAsked { tallies[Int(group)].asked -= 1 }
      if tallies[Int(group)].missing == 0 { groupsShort -= 1 }
    }
  }

  /// A replica that was asked is not asked any more; `isRefusal`: because it will never take the write.
  mutating func miss(_ place: Int, barred: Bool = false, isRefusal: Bool = false, countsAsAcknowledgement: Bool = false)
  {
    let wasAsked = replicas[place].state.isAsked
    move(place, to: barred ? .barred : .missed)
    if countsAsAcknowledgement {
      countAcknowledgement(place, wasAsked: wasAsked)
      return
    }
    for group in targets.groupsOfNode[place] {
      if wasAsked { tallies[Int(group)].asked -= 1 }
      if isRefusal { tallies[Int(group)].willing -= 1 }
      let tally = tallies[Int(group)]
      if tally.asked < tally.missing { isHopeless = true }
      if tally.willing < tally.needed { isRefused = true }
    }
  }

  /// What becomes of a replica that is not asked any more.
  mutating func move(_ place: Int, to state: ReplicaState) {
    if replicas[place].state.isSettled != state.isSettled { unsettled += state.isSettled ? -1 : 1 }
    replicas[place].state = state
  }

  /// When something is to be done if nothing happens before; nil where all that is missing is said by others.
  var nextTime: Int64? {
    var next: Int64?
    for replica in replicas where replica.state.isAsked { next = min(next ?? deadline, replica.time) }
    return isComplete ? next : min(next ?? deadline, deadline)
  }
}
