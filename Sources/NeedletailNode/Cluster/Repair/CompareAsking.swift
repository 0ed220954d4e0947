import NeedletailCluster
import NeedletailEnvironment

/// Asks other nodes to compare their replicas, for those who find that two differ and hold neither.
///
/// Nobody waits for it, and what gets lost the rounds of repair find.
final class CompareAsking: Sendable {
  /// Requests that are not answered yet, at a time.
  private static let outstandingMax = 64
  private static let timeout = Duration.seconds(5)

  private let view: ClusterView
  private let outstanding = Lock(0)

  init(_ view: ClusterView) { self.view = view }

  /// Asks `node`; false where it is not there, or too much is under way.
  func ask(_ node: NodeID, _ request: CompareRequest) -> Bool {
    guard view.isPresent(node), let channel = view.channel(to: node) else { return false }
    let hasRoom = outstanding.withLock { outstanding in
      guard outstanding < Self.outstandingMax else { return false }
      outstanding += 1
      return true
    }
    guard hasRoom else { return false }
    Task { [self] in
      _ = try? await channel.call(.compare, request.encoded, within: Self.timeout, answerBytesMax: 1024)
      outstanding.withLock { $0 -= 1 }
    }
    return true
  }
}
