import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// What a node keeps: operations in the order in which they were given to the disk, of which a crash leaves those that were synced, and
/// of the others the first so many.
struct NodeDisk {
  /// A hint as the log holds it.
  struct Hint {
    var write: WriteID
    var slots: [UInt16]
    var frame: [UInt8]
    var time: Int64
  }

  enum Operation {
    case rows([SimulatedRow])
    case record(UInt16, ReplicaReadiness.Record?)
    case hint(NodeID, UInt64, Hint)
    case release(NodeID, upTo: UInt64)
    case cursor(AntiEntropy.Cursor)
    /// The newest assignment that the node knows.
    case epoch(UInt64)
  }

  let identity: NodeIdentity
  private(set) var rows: Set<SimulatedRow> = []
  private(set) var records: [UInt16: ReplicaReadiness.Record] = [:]
  private(set) var hints: [NodeID: [UInt64: Hint]] = [:]
  /// Above all numbers of hints that were ever given.
  private(set) var nextHint: [NodeID: UInt64] = [:]
  private(set) var cursor: AntiEntropy.Cursor?
  private(set) var epoch: UInt64 = 0
  private var unsynced: [Operation] = []

  /// An empty one.
  init(_ identity: NodeIdentity) { self.identity = identity }

  /// Whether nothing was ever on it.
  var isEmpty: Bool { rows.isEmpty && records.isEmpty && hints.isEmpty }

  mutating func write(_ operation: Operation) { unsynced.append(operation) }

  /// How many operations a sync that begins now will have on disk.
  var pending: Int { unsynced.count }

  /// A sync is done that began when there were so many.
  mutating func synced(_ count: Int) {
    for operation in unsynced.prefix(count) { apply(operation) }
    unsynced.removeFirst(min(count, unsynced.count))
  }

  /// What is stored of a slot's window cannot be read any more.
  mutating func rot(_ slot: UInt16, _ window: Int64) { rows = rows.filter { $0.slot != slot || $0.window != window } }

  /// The process ends: a log keeps some of what was not synced, from the first on.
  mutating func crash(_ generator: inout SeededGenerator) {
    synced(Int.random(in: 0...unsynced.count, using: &generator))
    unsynced = []
  }

  private mutating func apply(_ operation: Operation) {
    switch operation {
    case .rows(let added): rows.formUnion(added)
    case .record(let slot, let record): records[slot] = record
    case .hint(let node, let sequence, let hint):
      hints[node, default: [:]][sequence] = hint
      nextHint[node] = max(nextHint[node] ?? 1, sequence + 1)
    case .release(let node, let last): hints[node] = hints[node]?.filter { $0.key > last }
    case .cursor(let cursor): self.cursor = cursor
    case .epoch(let epoch): self.epoch = max(self.epoch, epoch)
    }
  }
}
