import ArgumentParser

/// `needletail cluster`.
struct ClusterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "See and steer a cluster, or start one for trying out.",
    discussion: """
      All but up ask one node, which tells of the cluster as it sees it. add, drain, remove, set and cancel begin at \
      once: --dry-run says before how much would move.

      EXAMPLES
        needletail cluster up --nodes 5
        needletail cluster status
        needletail cluster nodes --server http://127.0.0.1:17070
        needletail cluster drain n3 --dry-run
        needletail cluster status --watch
      """,
    subcommands: [
      ClusterStatusCommand.self, ClusterNodesCommand.self, ClusterRingCommand.self, ClusterAddCommand.self,
      ClusterDrainCommand.self, ClusterRemoveCommand.self, ClusterSetCommand.self, ClusterCancelCommand.self,
      ClusterRepairCommand.self, ClusterVerifyCommand.self, ClusterUpCommand.self,
    ])

  /// Where a node tells of its cluster and is asked to change it.
  static func path(_ name: String) -> String { "/needletail/v1/cluster/" + name }

  static let statusPath = path("status")

  /// The cluster as a server sees it.
  static func state(_ client: APIClient) async throws -> ClusterState {
    try ClusterState(try await client.get(statusPath), path: statusPath)
  }
}
