import Logging
import NIOSSL
import NeedletailEnvironment

/// Tells the log why other nodes and this one come to no TLS, each reason once a minute for each of them, and counts
/// it.
///
/// Members try again every second: without that bound the log would hold nothing else.
final class PeerComplaints: Sendable {
  private static let interval: Int64 = 60_000_000_000
  private static let keysMax = 1_000

  private struct State {
    var told: [String: Int64] = [:]
    var counts: [PeerTLSFailure.Side: Int] = [:]
  }

  private let state = Lock(State())
  private let clock: any WallClock
  private let logger: Logger

  init(clock: any WallClock, logger: Logger) {
    self.clock = clock
    self.logger = logger
  }

  /// Handshakes that failed for a reason that an operator has to mend.
  func count(_ side: PeerTLSFailure.Side) -> Int { state.withLock { $0.counts[side] ?? 0 } }

  /// What to say of a handshake that failed; nil where that is of no use to anybody.
  @discardableResult
  func tell(_ handshake: PeerTLSFailure.Handshake, side: PeerTLSFailure.Side) -> String? {
    let seconds = Timestamp.floorDivide(clock.wallNanoseconds(), by: 1_000_000_000)
    guard let text = PeerTLSFailure.text(handshake, side: side, now: seconds) else { return nil }
    let now = clock.monotonicNanoseconds()
    let isDue = state.withLock { state in
      state.counts[side, default: 0] += 1
      let key = "\(side.rawValue) \(handshake.address) \(text)"
      if let last = state.told[key], now &- last < Self.interval { return false }
      if state.told.count >= Self.keysMax { state.told = [:] }
      state.told[key] = now
      return true
    }
    if isDue {
      let what = side == .called ? "a node that called was refused" : "a node could not be called"
      logger.warning("\(what)", metadata: ["address": "\(handshake.address)", "reason": "\(text)"])
    }
    return text
  }

  /// The same as a metric.
  var families: [MetricFamily] {
    [
      MetricFamily(
        .counter, "needletail_cluster_tls_failures_total",
        "Connections with other nodes that failed for their certificates or for TLS, by which side this node was.",
        [PeerTLSFailure.Side.caller, .called].map {
          MetricFamily.Point(labels: [.init("side", $0.rawValue)], value: Double(count($0)))
        })
    ]
  }
}
