// What repair and quorum reads ask of an engine, the same of metrics, logs and spans. A *window* is an hour since 1970
// (UTC), negative before. A *key* is what a slot is made of: a series, a stream, a trace; rows of one key are always in
// one slot. What belongs to no time, the descriptions of metrics, is in a window of its own (`SlotWindow.timeless`), whose keys
// are those of the metrics. A *bucket* is one of 64 shares of a slot's keys. `Sources/NeedletailCluster/Repair` has who asks,
// docs/cluster.md why.

/// What an engine tells of a slot, what it hands out of it, and how it takes what another replica handed out.
///
/// Digests are of what queries would find, so that two replicas agree exactly where they hold the same, be it in
/// memory or on disk, in whatever order it came and however often; of samples that queries hide behind a histogram too.
/// What is expired counts by whole hours. Whoever is asked blocks for as long as reading takes: these belong on threads
/// that may wait for a disk. What is appended meanwhile may be in an answer or not. All but `store`, `passOver` and
/// `leaveOut` throw `.damage` where something of the windows cannot be read, and `.cancelled`.
package protocol SlotContents: Sendable {
  /// How many slots there are.
  var slotCount: Int { get }

  /// The digests of all slots in each of these windows, by window; windows that are empty are left out.
  ///
  /// Answers of before are kept and used as long as nothing changed in a window: then it is O(windows). Otherwise reads
  /// what was stored with the data, a few KiB a window and part, and only where several sources hold rows of one time
  /// the rows themselves.
  func digests(of windows: ClosedRange<Int64>) throws(SlotContentsError) -> [SlotWindow]

  /// The digests as `digests` tells them, in any order, where that takes no more than a look at what is kept; else nil.
  ///
  /// Never blocks.
  func knownDigests(of windows: ClosedRange<Int64>) -> [SlotWindow]?

  /// The digest of a slot in each window that has anything of it, by window: the upper level of its tree.
  func windowDigests(of slot: UInt16) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)]

  /// The same of some windows alone: nothing is read for others, such as the one that is being written to.
  func windowDigests(
    of slot: UInt16, within windows: ClosedRange<Int64>
  ) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)]

  /// The digests of the buckets of a slot that have anything in a window, ascending: the lower level of its tree.
  ///
  /// Their sum is that of the slot in the window. Reads the rows of the slot in the window.
  func bucketDigests(of slot: UInt16, window: Int64) throws(SlotContentsError) -> [(bucket: UInt8, digest: RangeDigest)]

  /// The keys of a bucket, or of the slot, and what there is of each in a window, by key.
  ///
  /// Reads their rows in the window.
  func listing(
    of slot: UInt16, window: Int64, in share: KeyShare
  ) throws(SlotContentsError) -> [(key: Hash128, digest: RangeDigest)]

  /// All that the digests count of some keys of a slot in a window, for `store` of another replica; from where an
  /// earlier call left off.
  ///
  /// About `bytesMax` bytes at the most, or one row where that is larger: `rest` tells what is still to be asked for. Keys
  /// of which there is nothing are passed over. Between calls rows may come and be missed, which a later comparison
  /// finds.
  func export(
    of slot: UInt16, window: Int64, _ request: SlotExport.Request, bytesMax: Int
  ) throws(SlotContentsError) -> SlotExport

  /// Adds what another replica exported of a slot to what is here; what is here already changes nothing.
  ///
  /// Returns when it is durable. What is expired here is left out; rows of other slots are refused, and all that came
  /// with them. Throws `.malformed`, `.overloaded` or `.unavailable`.
  func store(_ payload: [UInt8], of slot: UInt16) async throws(SlotContentsError)

  /// Where something stored could not be read, at the start or later: it may lack anything there.
  ///
  /// What was met once is told until the part is gone.
  func damagedWindows() -> [SlotDamage]

  /// Has those of these parts that cannot be opened count as not there, in all that is told and handed out of slots from
  /// now on until the next start. They stay on disk, and queries go on telling of them.
  ///
  /// Only after it was noted durably that this replica may lack something of these windows. Returns the damages of which
  /// that is true; those that were met in open parts stay in the way.
  func passOver(_ damages: [SlotDamage]) -> [SlotDamage]

  /// Drops the parts in which these damages were met, with all that can still be read of them: other replicas have it,
  /// and digests then tell that it lacks here.
  ///
  /// Only after it was noted durably that this replica may lack something of these windows. Durable when it returns.
  /// Throws `.overloaded` where a part is being merged, and `.unavailable`.
  func leaveOut(_ damages: [SlotDamage]) throws(SlotContentsError)
}

/// The digests of all slots in a window.
package struct SlotWindow: Equatable, Sendable {
  /// The number of the window of what belongs to no time: behind all hours in which a time can lie, and within those that the
  /// tree of a slot spans.
  package static let timeless: Int64 = 1 << 44

  /// Hours since 1970.
  package var window: Int64
  /// By slot.
  package var digests: [RangeDigest]

  package init(window: Int64, digests: [RangeDigest]) {
    self.window = window
    self.digests = digests
  }
}

/// Windows that are compared: what belongs to no time is compared along with any of them.
extension ClosedRange<Int64> {
  /// Whether a comparison of these windows is of that one too.
  package func compares(_ window: Int64) -> Bool { contains(window) || window == SlotWindow.timeless }

  /// Whether a comparison of these windows is of any of those too.
  package func compares(anyOf windows: ClosedRange<Int64>) -> Bool {
    overlaps(windows) || windows.contains(SlotWindow.timeless)
  }
}

/// What `SlotContents.export` hands out.
package struct SlotExport: Equatable, Sendable {
  /// What is asked for.
  package struct Request: Equatable, Sendable {
    package enum Selection: Equatable, Sendable {
      case keys([Hash128])
      /// Whatever keys there are, which the caller need not know.
      case share(KeyShare)
    }

    package var selection: Selection
    /// Up to where the first key was handed out already; only where keys are named.
    package var position: Position?

    package init(keys: [Hash128], position: Position? = nil) {
      selection = .keys(keys)
      self.position = position
    }

    package init(_ share: KeyShare) { selection = .share(share) }

    /// The keys that are named.
    package var keys: [Hash128] {
      if case .keys(let keys) = selection { keys } else { [] }
    }

    /// Whether a key is asked for. O(1), once made.
    package var isAskedFor: @Sendable (Hash128) -> Bool {
      switch selection {
      case .keys(let keys):
        let keys = Set(keys)
        return { keys.contains($0) }
      case .share(let share): return { share.contains($0) }
      }
    }
  }

  /// A place among the rows of a key, in an order that each engine has for them.
  package struct Position: Equatable, Sendable {
    /// What of a key follows: its samples, histograms, exemplars.
    package var section: UInt8
    /// The time of the next row, in the engine's own unit.
    package var time: Int64
    /// How many rows at that time were handed out.
    package var passed: UInt32

    package init(section: UInt8, time: Int64, passed: UInt32 = 0) {
      self.section = section
      self.time = time
      self.passed = passed
    }
  }

  /// Frames (docs/formats/batch.md), one behind the other.
  package var payload: [UInt8]
  /// What is still to be asked for, by its keys; nil where this was all.
  package var rest: Request?

  package init(payload: [UInt8], rest: Request?) {
    self.payload = payload
    self.rest = rest
  }
}

/// Windows of which something cannot be read.
package struct SlotDamage: Equatable, Sendable {
  /// Ascending; nil for any of them.
  package var slots: [UInt16]?
  package var windows: ClosedRange<Int64>
  /// The number of the part.
  package var part: UInt64
  /// For the operator.
  package var reason: String

  package init(slots: [UInt16]?, windows: ClosedRange<Int64>, part: UInt64, reason: String) {
    self.part = part
    self.slots = slots
    self.windows = windows
    self.reason = reason
  }
}

/// Why an engine does not tell, hand out or take something of a slot.
package enum SlotContentsError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Something that belongs to it could not be read: what is missing must come from another copy.
  case damage(String)
  /// The task was cancelled.
  case cancelled
  /// The payload is not one of these rows.
  case malformed(String)
  /// Too much waits for the disk: again in a moment.
  case overloaded(String)
  /// It cannot be stored, and whether it will be there is not known.
  case unavailable(String)

  package var description: String {
    switch self {
    case .damage(let reason): reason
    case .cancelled: "the task was cancelled"
    case .malformed(let reason): "the rows are malformed: \(reason)"
    case .overloaded(let reason): "overloaded: \(reason)"
    case .unavailable(let reason): "unavailable: \(reason)"
    }
  }
}

extension SlotContents {
  package func knownDigests(of windows: ClosedRange<Int64>) -> [SlotWindow]? { nil }

  package func windowDigests(
    of slot: UInt16, within windows: ClosedRange<Int64>
  ) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)] {
    try windowDigests(of: slot).filter { windows.contains($0.window) }
  }

  /// The digest of each slot over some windows together, by slot: what a quorum read compares.
  package func sums(over windows: ClosedRange<Int64>) throws(SlotContentsError) -> [RangeDigest] {
    sums(try digests(of: windows))
  }

  /// The same where that takes no more than a look at what is kept (`knownDigests`).
  package func knownSums(over windows: ClosedRange<Int64>) -> [RangeDigest]? { knownDigests(of: windows).map(sums) }

  private func sums(_ windows: [SlotWindow]) -> [RangeDigest] {
    var sums = [RangeDigest](repeating: RangeDigest(), count: slotCount)
    for window in windows {
      for slot in sums.indices { sums[slot].add(window.digests[slot]) }
    }
    return sums
  }
}
