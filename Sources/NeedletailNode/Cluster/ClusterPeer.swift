/// What of a node answers the others about the cluster, by the method that they call.
protocol ClusterPeer: Sendable {
  /// The answer to a call; throws `GRPCStatus`, `MalformedBytes` or `QueryError`.
  func answer(_ method: PeerMethod, _ message: [UInt8], _ context: ConnectionContext) async throws -> PeerAnswer
}
