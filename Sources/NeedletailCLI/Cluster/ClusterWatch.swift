import NeedletailTerminal

/// Follows the change that is under way in a cluster.
struct ClusterWatch {
  private static let period = Duration.seconds(1)

  let client: APIClient

  /// Shows how far it is, beginning with what was just seen, until it is done; then how the cluster is.
  func run(_ first: ClusterState) async throws {
    var state = first
    var screen = InlineScreen(depth: Console.depth)
    var told = ""
    while let change = state.change {
      if Console.isTerminal {
        let columns = Console.columns
        // The cursor waits below, where whoever ends this early goes on.
        let lines = ClusterReport(state: state).glance().map { $0.abbreviated(to: columns) } + [StyledText()]
        Console.write(screen.frame(lines, cursor: (row: lines.count - 1, column: 0)), to: 1)
      } else {
        let line = "\(change.what): \(ClusterReport.progress(change))"
        if line != told { Console.print([StyledText(TerminalText(line, limit: 1000))]) }
        told = line
      }
      try await Task.sleep(for: Self.period)
      state = try await ClusterCommand.state(client)
    }
    guard Console.isTerminal else { return ClusterStatusCommand.print(state) }
    Console.write(screen.finish(ClusterReport(state: state).glance()), to: 1)
    for warning in state.warnings { Console.complain(warning, prefix: "warning: ") }
  }
}
