import NeedletailCluster

/// What the state machine sees of this node.
struct RepairView: RepairSource {
  let identity: NodeIdentity
  let firstWindow: Int64
  let lastWindow: Int64
  let held: SlotSet
  /// That of the newest layout that is on disk here.
  let epoch: UInt64
  let readiness: ReplicaReadiness
  /// What of it is on disk.
  let told: LocalReadiness
  let cluster: ClusterView

  func holds(_ slot: UInt16) -> Bool { held.contains(slot) }
  func epoch(of slot: UInt16) -> UInt64 { epoch }
  func isReady(_ slot: UInt16, _ windows: ClosedRange<Int64>) -> Bool {
    readiness.isReady(slot, windows) && told.isReady(slot, windows)
  }
  func fill(of slot: UInt16) -> UInt64 { readiness.fill(of: slot) }
  func isAvailable(_ node: NodeID) -> Bool { cluster.isPresent(node) && cluster.channel(to: node) != nil }
}

/// The windows that repair looks at, by the time.
struct RepairWindows: Sendable {
  private static let hour: Int64 = 3_600_000_000_000

  /// How long rows are kept, in ns; nil for ever.
  let retention: Int64?
  let settleAfter: Int64

  /// The first window that has not expired: engines count by whole hours.
  func first(at now: Int64) -> Int64 {
    guard let retention else { return .min }
    let (edge, isBeforeAll) = now.subtractingReportingOverflow(retention)
    guard !isBeforeAll else { return .min }
    return -Self.floor(0 &- edge, Self.hour)
  }

  /// The last window that has ended, and has been left alone for a while.
  func last(at now: Int64) -> Int64 { Self.floor(now &- settleAfter, Self.hour) - 1 }

  private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
  }
}
