import NeedletailTelemetry

/// What two replicas of a slot say to each other about what they have of it.
///
/// One of them leads the exchange and asks; the other one answers each question by itself and keeps nothing in
/// between, so that either may crash at any time.
package struct RepairMessage: Equatable, Sendable {
  /// A series of a bucket and what the sender has of it within the window.
  package struct Series: Equatable, Sendable {
    package var id: Hash128
    package var digest: RangeDigest

    package init(id: Hash128, digest: RangeDigest) {
      self.id = id
      self.digest = digest
    }
  }

  /// A digest of one of the nodes, or buckets, that were asked for.
  package struct Child: Equatable, Sendable {
    package var index: Int64
    package var digest: RangeDigest

    package init(index: Int64, digest: RangeDigest) {
      self.index = index
      self.digest = digest
    }
  }

  /// What the number of a bucket says: those of metrics, of logs and of spans stand one behind the other, 64 of each, and
  /// behind them three that stand for all buckets of a signal.
  package struct Bucket: Equatable, Sendable {
    /// Metrics, logs, spans.
    package let signal: Int
    package let share: KeyShare

    /// `number` is below `RepairMessage.numberCount`.
    package init(_ number: UInt8) {
      let number = Int(number)
      guard number < RepairMessage.bucketCount else {
        (signal, share) = (number - RepairMessage.bucketCount, .all)
        return
      }
      signal = number / SlotMap.bucketCount
      share = .bucket(UInt8(number % SlotMap.bucketCount))
    }

    /// The number that stands for all buckets of a signal.
    static func all(of signal: Int) -> UInt8 { UInt8(RepairMessage.bucketCount + signal) }
  }

  package enum Question: Equatable, Sendable {
    /// Is this the digest of all that you have, too?
    case compare(RangeDigest)
    /// What is beneath the node?
    case expand(TreeNode)
    /// Which series do you have in the bucket, or of the signal?
    case list(window: Int64, bucket: UInt8)
    /// What do you have of these series of the bucket, or of the signal; or of all of them?
    case pull(window: Int64, bucket: UInt8, SlotExport.Request)
    /// Take this.
    case push(payload: [UInt8])
  }

  package enum Reply: Equatable, Sendable {
    case same
    /// The nodes of a level beneath what was asked about, ascending; a node that is not among them is empty. Level 0:
    /// windows.
    case nodes(level: UInt8, [Child])
    /// The buckets of the window that was asked about, ascending.
    case buckets([Child])
    case series([Series])
    /// Rows of series, in bytes of the engine's own, and what is left to ask for where they were too many.
    case payload([UInt8], rest: SlotExport.Request?)
    /// What was pushed is on disk.
    case stored
  }

  package enum Body: Equatable, Sendable {
    case question(Question)
    /// With whether the replica that answers is ready for the windows of the question.
    case reply(Reply, isReady: Bool)
  }

  /// Chosen by who leads, never twice.
  package var exchange: UInt64
  /// Counts the questions of an exchange.
  package var number: UInt32
  package var slot: UInt16
  /// Of the newest assignment of the slot that the sender knows.
  package var epoch: UInt64
  /// Those of the question; in a reply without the ones that expired where it was written.
  package var windows: ClosedRange<Int64>
  /// That of who sends it.
  package var identity: NodeIdentity
  package var body: Body

  package init(
    exchange: UInt64, number: UInt32, slot: UInt16, epoch: UInt64, windows: ClosedRange<Int64>,
    identity: NodeIdentity, body: Body
  ) {
    self.exchange = exchange
    self.number = number
    self.slot = slot
    self.epoch = epoch
    self.windows = windows
    self.identity = identity
    self.body = body
  }
}
