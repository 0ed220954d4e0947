import HTTPTypes
import HummingbirdCore
import NeedletailCluster
import NeedletailEnvironment

/// One question to the cluster, which may be many reads: how it wants to be answered, and how whole the answer is.
final class ClusterQuestion: Sendable {
  let options: ReadOptions
  /// How long all of it may take.
  let timeout: Duration
  /// Nil where several may be evaluated by it at once, or one that is not made again.
  let early: EarlyEvaluation?
  private let state = Lock<SlotCoverage?>(nil)
  private let newest = Lock<UInt64>(0)

  init(_ options: ReadOptions = ReadOptions(), timeout: Duration, early: EarlyEvaluation? = nil) {
    self.options = options
    self.timeout = timeout
    self.early = early
  }

  /// How whole all reads so far were together; nil where there was none.
  var coverage: SlotCoverage? { state.withLock { $0 } }

  /// The newest layout that a node which was asked said it knows; zero where none said so.
  var newestEpoch: UInt64 { newest.withLock { $0 } }

  func note(epoch: UInt64) { newest.withLock { $0 = max($0, epoch) } }

  func note(_ coverage: SlotCoverage) {
    state.withLock { state in
      if state == nil { state = coverage } else { state?.merge(coverage) }
    }
  }

  /// Tells how whole the answer is in a header of it.
  func tell(in response: inout Response) {
    if let coverage { response.headers[.coverage] = coverage.text }
  }
}

extension HTTPField.Name {
  /// `Needletail-Coverage`: how whole an answer of a cluster is, as `SlotCoverage` puts it.
  static let coverage = known("needletail-coverage")
}
