import NeedletailTelemetry

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
    /// Whether it is yet to be said what the replica gets instead.
    var isUndecided: Bool { self == .missed || self == .barred }
    /// Whether the payload is not needed for this replica any more.
    var isSettled: Bool { self == .acknowledged || self == .hinted || self == .givenUp }
  }

  struct Replica: Sendable {
    /// The node's place in the table of peers.
    let peer: Int
    var state: ReplicaState
    var attempt: UInt8 = 0
    var withDefinitions = false
    /// It said that it will never take the write.
    var isRefusing = false
    /// When the attempt began.
    var since: Int64 = 0
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
  /// When something may be due at the earliest.
  private(set) var soonest: Int64
  /// Replicas that are not asked any more and of which it is yet to be said what they get.
  private(set) var undecided: Int

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
    tallies = zip(targets.groupSizes, targets.groupNeeds).map { size, need in
      let whole = need > 0 ? Int(need) : level.acknowledgements(of: Int(size))
      let needed = Int32(clamping: max(1, whole - (isOneTooFew ? 1 : 0)))
      return Tally(needed: needed, missing: needed, asked: 0, willing: size)
    }
    groupsShort = tallies.count
    unsettled = peers.count
    undecided = peers.count
    soonest = deadline
  }

  /// No write: its serial number is nobody's.
  static let none = WriteUnderWay(
    WriteID(Hash128(high: 0, low: 0)), serial: 0, bytes: 0, deadline: 0, targets: .none, peers: [], level: .one)

  var isHeld: Bool { serial > 0 }

  var isAcknowledgedByAll: Bool { groupsShort == 0 }

  /// Whether every group would still have W replicas to wait for.
  var isPossible: Bool { tallies.allSatisfy { $0.asked >= $0.missing } }

  /// A node is asked from now on.
  mutating func ask(_ place: Int, at now: Int64, until time: Int64) {
    replicas[place].since = now
    replicas[place].attempt = 1
    move(place, to: .sending, until: time)
    for group in targets.groupsOfNode[place] { tallies[Int(group)].asked += 1 }
  }

  /// Another attempt begins.
  mutating func askAgain(_ place: Int, at now: Int64, until time: Int64) {
    replicas[place].since = now
    replicas[place].attempt += 1
    move(place, to: .sending, until: time)
  }

  mutating func addDefinitions(_ place: Int) { replicas[place].withDefinitions = true }

  /// Another attempt is due at a time.
  mutating func wait(_ place: Int, until time: Int64) {
    move(place, to: .waiting, until: time)
  }

  private mutating func move(_ place: Int, to state: ReplicaState, until time: Int64) {
    move(place, to: state)
    replicas[place].time = time
    soonest = min(soonest, time)
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
      // An earlier attempt may have been taken although a later one was refused.
      if replicas[place].isRefusing { tallies[Int(group)].willing += 1 }
      if tallies[Int(group)].missing == 0 { groupsShort -= 1 }
    }
    replicas[place].isRefusing = false
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
    replicas[place].isRefusing = isRefusal
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
    let before = replicas[place].state
    if before.isSettled != state.isSettled { unsettled += state.isSettled ? -1 : 1 }
    if before.isUndecided != state.isUndecided { undecided += state.isUndecided ? 1 : -1 }
    replicas[place].state = state
  }

  /// Works out anew when something is to be done if nothing happens before. O(nodes).
  mutating func recomputeSoonest() {
    soonest = isComplete ? .max : deadline
    for replica in replicas where replica.state.isAsked { soonest = min(soonest, replica.time) }
  }
}
