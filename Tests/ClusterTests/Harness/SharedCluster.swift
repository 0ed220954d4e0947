import Foundation
import NeedletailEnvironment
import NeedletailProcesses
import Testing

/// The cluster that the scenarios have one after the other: each leaves it whole, or the next one gets a new one.
actor SharedCluster {
  static let shared = SharedCluster()
  static let nodeCount = 5

  private var harness: ClusterHarness?
  /// What was written to it so far.
  private(set) var runs: [ClusterRun] = []

  /// The cluster, whole and without faults.
  func healthy() async throws -> ClusterHarness {
    if let harness { return harness }
    let harness = try ClusterHarness(["--set", "self-interval=off", "--set", "flush-interval=5s"])
    do {
      try await harness.form(Self.nodeCount)
    } catch {
      print(await harness.lastLines())
      try await harness.end()
      throw error
    }
    self.harness = harness
    return harness
  }

  func note(_ run: ClusterRun) { runs.append(run) }

  /// Ends it: the next scenario has a new one.
  func end() async throws {
    try await harness?.end()
    (harness, runs) = (nil, [])
  }
}

/// Ends the shared cluster after the last test of a suite.
struct ClusterScope: SuiteTrait, TestScoping {
  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    do {
      try await function()
    } catch {
      try await SharedCluster.shared.end()
      throw error
    }
    try await SharedCluster.shared.end()
  }
}
