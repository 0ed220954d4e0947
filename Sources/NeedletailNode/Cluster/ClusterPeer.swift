import NeedletailTelemetry

/// What of a node answers the others about the cluster, by the method that they call.
protocol ClusterPeer: Sendable {
  /// The answer to a call; throws `GRPCStatus`, `MalformedBytes` or `QueryError`.
  func answer(_ method: PeerMethod, _ message: [UInt8], _ context: ConnectionContext) async throws -> PeerAnswer

  /// The answer to a question of `PeerMethod.known`, which is made without waiting for anything; empty where it cannot be.
  func known(_ question: [UInt8]) throws(MalformedBytes) -> [UInt8]

  /// The answer to one message of `PeerMethod.writes` or `.repairs`.
  func answer(_ method: PeerMethod, of message: [UInt8]) async throws(MalformedBytes) -> [UInt8]
}
