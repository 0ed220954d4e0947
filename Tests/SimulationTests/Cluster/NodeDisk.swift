import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// What a node keeps: operations in the order in which they were given to the disk, of which a crash leaves those that were synced, and
/// of the others the first so many.
struct NodeDisk {
  /// A hint as the log holds it.
  struct Hint {
    var write: WriteID
    /// The version of the assignment by which its rows were routed.
    var epoch: UInt64
    var slots: [UInt16]
    var frame: [UInt8]
    /// By the clock on the wall, which is all that a restart leaves.
    var time: Int64
  }

  /// A loss that the topology does not say yet: the newest epoch when it was noted, and how many losses that one counted.
  struct Owed: Equatable {
    var epoch: UInt64
    var losses: UInt32
  }

  /// A window of a slot of which something cannot be read any more.
  struct Damage: Hashable, Comparable {
    var slot: UInt16
    var window: Int64

    static func < (left: Self, right: Self) -> Bool { (left.slot, left.window) < (right.slot, right.window) }
  }

  enum Operation {
    case rows([SimulatedRow])
    /// Rows that expired are gone.
    case drop([SimulatedRow])
    case record(UInt16, ReplicaReadiness.Record?)
    case hint(NodeID, UInt64, Hint)
    case release(NodeID, upTo: UInt64)
    case cursor(AntiEntropy.Cursor)
    /// What the node knows of who holds what, and promised of it.
    case topology([UInt8])
    /// All records were brought to this epoch.
    case settled(UInt64)
    case owed(Owed?)
    /// What the damaged windows lack is noted: they are out of the way.
    case leftOut(Damage)
  }

  /// What is durable.
  private struct Content {
    var rows = RowSet()
    var records: [UInt16: ReplicaReadiness.Record] = [:]
    var hints: [NodeID: [UInt64: Hint]] = [:]
    var nextHint: [NodeID: UInt64] = [:]
    var cursor: AntiEntropy.Cursor?
    var topology: [UInt8]?
    var settled: UInt64 = 0
    var owed: Owed?
    var damages: Set<Damage> = []
  }

  /// After so many operations another file is begun, whose name the folder has to keep as well.
  private static let fileMax = 40

  let identity: NodeIdentity
  private var content = Content()
  private var unsynced: [Operation] = []
  /// What is left where the name of the newest file gets lost; nil where the name is durable.
  private var withoutFile: Content?
  private var inFile = 0
  /// Wrong: names are not synced.
  var forgetsNames = false
  /// Wrong: of two values of one row the later one counts.
  var tieByArrival = false

  /// An empty one.
  init(_ identity: NodeIdentity) { self.identity = identity }

  var rows: RowSet { content.rows }
  var records: [UInt16: ReplicaReadiness.Record] { content.records }
  var hints: [NodeID: [UInt64: Hint]] { content.hints }
  /// Above all numbers of hints that were ever given.
  var nextHint: [NodeID: UInt64] { content.nextHint }
  var cursor: AntiEntropy.Cursor? { content.cursor }
  var topology: [UInt8]? { content.topology }
  var settled: UInt64 { content.settled }
  var owed: Owed? { content.owed }
  /// What cannot be read, and was not noted so far as it is known.
  var damages: Set<Damage> { content.damages }

  /// Whether nothing was ever on it.
  var isEmpty: Bool { content.rows.isEmpty && content.records.isEmpty && content.hints.isEmpty }

  mutating func write(_ operation: Operation) { unsynced.append(operation) }

  /// How many operations a sync that begins now will have on disk.
  var pending: Int { unsynced.count }

  /// Rows that were given to it since the last sync.
  var unsyncedRows: [SimulatedRow] {
    unsynced.flatMap { operation -> [SimulatedRow] in if case .rows(let rows) = operation { rows } else { [] } }
  }

  /// A sync is done that began when there were so many. Returns them.
  @discardableResult
  mutating func synced(_ count: Int) -> ArraySlice<Operation> {
    let done = unsynced.prefix(count)
    for operation in done {
      if inFile == 0 { withoutFile = forgetsNames ? content : nil }
      inFile = (inFile + 1) % Self.fileMax
      apply(operation)
    }
    unsynced.removeFirst(min(count, unsynced.count))
    return done
  }

  /// What is stored of a slot's window cannot be read any more.
  mutating func rot(_ damage: Damage) {
    content.rows.remove(damage.slot, window: damage.window)
    content.damages.insert(damage)
  }

  /// The process ends: a log keeps some of what was not synced, from the first on. Returns how much is lost.
  mutating func crash(_ generator: inout SeededGenerator) -> Int {
    let kept = Int.random(in: 0...unsynced.count, using: &generator)
    synced(kept)
    let lost = unsynced.count
    unsynced = []
    if let withoutFile, Bool.random(using: &generator) { content = withoutFile }
    (withoutFile, inFile) = (nil, 0)
    return lost
  }

  private mutating func apply(_ operation: Operation) {
    switch operation {
    case .rows(let added): for row in added { content.rows.insert(row, byArrival: tieByArrival) }
    case .drop(let rows): for row in rows { content.rows.remove(row) }
    case .record(let slot, let record): content.records[slot] = record
    case .hint(let node, let sequence, let hint):
      content.hints[node, default: [:]][sequence] = hint
      content.nextHint[node] = max(content.nextHint[node] ?? 1, sequence + 1)
    case .release(let node, let last): content.hints[node] = content.hints[node]?.filter { $0.key > last }
    case .cursor(let cursor): content.cursor = cursor
    case .topology(let bytes): content.topology = bytes
    case .settled(let epoch): content.settled = max(content.settled, epoch)
    case .owed(let owed): content.owed = owed
    case .leftOut(let damage): content.damages.remove(damage)
    }
  }
}
