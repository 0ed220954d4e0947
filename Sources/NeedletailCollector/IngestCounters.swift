import NeedletailEnvironment
import NeedletailOTLP
import NeedletailWire

/// The ledger of what came in: every sample, span and log record that was received is in one of accepted, rejected
/// and dropped.
package final class IngestCounters: Sendable {
  /// The numbers of one signal since the node started.
  package struct Ledger: Sendable, Equatable {
    package var requests = 0
    /// Bytes of bodies as they were sent.
    package var bytes = 0
    package var accepted = 0
    /// What the sender was told not to send again, by reason.
    package var rejected: [RejectionReason: Int] = [:]
    /// What was left out beside the records that are counted: exemplars, and series of the receiver's own making.
    package var leftOut: [RejectionReason: Int] = [:]
    /// What was decoded but not stored, by the sink's answer: the sender was asked to send it again.
    package var dropped: [String: Int] = [:]
    /// Requests that were refused as a whole, by kind.
    package var failures: [String: Int] = [:]

    package init() {}

    package var received: Int {
      accepted + rejected.values.reduce(0, +) + dropped.values.reduce(0, +)
    }
  }

  private let ledgers = Lock<[OTLPSignal: Ledger]>([:])

  package init() {}

  package subscript(signal: OTLPSignal) -> Ledger { ledgers.withLock { $0[signal] ?? Ledger() } }

  /// Enters the outcome of a request.
  func record(_ outcome: ReceiveOutcome, bytes: Int, signal: OTLPSignal) {
    ledgers.withLock { ledgers in
      var ledger = ledgers[signal] ?? Ledger()
      ledger.requests += 1
      ledger.bytes += bytes
      ledger.accepted += outcome.accepted
      ledger.rejected.merge(outcome.rejections.counts, uniquingKeysWith: +)
      ledger.leftOut.merge(outcome.rejections.warnings, uniquingKeysWith: +)
      if let failure = outcome.failure {
        ledger.failures[failure.name, default: 0] += 1
        if outcome.dropped > 0 { ledger.dropped[failure.name, default: 0] += outcome.dropped }
      }
      ledgers[signal] = ledger
    }
  }
}
