import ServiceLifecycle

/// Takes part in the cluster from the moment that the storage is open until the server shuts down.
struct ClusterService: Service {
  /// The node, once it is there; nothing where the storage could not be opened.
  let clusters: AsyncStream<ClusterNode>

  func run() async throws {
    try await cancelWhenGracefulShutdown {
      for await cluster in clusters { try await cluster.run() }
    }
    // A service that ends ends the others: whether the storage opens is known there.
    try? await gracefulShutdown()
  }
}
