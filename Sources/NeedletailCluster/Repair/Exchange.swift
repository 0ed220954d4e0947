import NeedletailTelemetry

/// Where two replicas of a slot were found to differ.
struct FoundDifferences: Hashable, Sendable {
  /// In windows that nobody writes to any more.
  var settled = false
  /// In later ones, where rows are on their way.
  var recent = false
  /// In what belongs to no time.
  var timeless = false

  mutating func note(_ window: Int64, settledUpTo last: Int64) {
    if window == SlotWindow.timeless {
      timeless = true
    } else if window <= last {
      settled = true
    } else {
      recent = true
    }
  }
}

/// An exchange that this node leads: what is still to be compared and moved.
struct Exchange: Sendable {
  enum Work: Sendable {
    case compare
    case expand(TreeNode)
    /// What is beneath a node of which the other one has nothing; nil: all.
    case push(beneath: TreeNode?)
    /// A bucket that differs, or that one of the two does not have.
    case bucket(window: Int64, bucket: UInt8, isHere: Bool, isThere: Bool)
    case pull(window: Int64, bucket: UInt8, SlotExport.Request)
    case give(window: Int64, bucket: UInt8, SlotExport.Request)
  }

  /// Work that was begun.
  struct Open: Sendable {
    let work: Work
    var attempts = 1
    /// When it is asked again; nil while this node itself is at it.
    var deadline: UInt64?
    /// Of a block or a window: what is beneath it on either side.
    var nodesHere: [RepairMessage.Child]?
    var nodesThere: [RepairMessage.Child]?
    /// Of a bucket: the series on either side.
    var here: [RepairMessage.Series]?
    var there: [RepairMessage.Series]?
    /// Rows came, and are being stored.
    var isStoring = false
  }

  let number: UInt64
  let slot: UInt16
  let partner: NodeID
  let windows: ClosedRange<Int64>
  let fill: UInt64
  /// Those that have expired on neither side, as far as the other one told.
  var common: ClosedRange<Int64>
  /// What was here when the exchange began; what comes later makes no difference to what the other one has.
  var tree: SlotTree?
  /// Last in, first out: it goes to the depth of the tree before it goes on, so that little waits.
  var work: [Work] = [.compare]
  var open: [UInt32: Open] = [:]
  var lastQuestion: UInt32 = 0
  /// The other one's, from its first answer on.
  var identity: NodeIdentity?
  /// The last window that had settled when it began.
  let settled: Int64
  /// Where the two have not the same.
  var found = FoundDifferences()
  /// How often rows were more than one message takes.
  var continuations = 0
  /// Whether it said so in all of its answers.
  var isPartnerReady = true

  var isDone: Bool { work.isEmpty && open.isEmpty }
}
