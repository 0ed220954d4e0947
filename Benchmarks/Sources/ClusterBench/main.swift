import BenchmarkSupport
import Foundation

// What a cluster costs beside a single node: replication, quorum reads, and moving slots to a new member. All members are on this machine,
// have fresh folders, and none outlives this program.
do {
  let options = try Options(Array(CommandLine.arguments.dropFirst()))
  let guards = Cleanup.onSignals(minutesMax: options.minutesMax)
  defer { Cleanup.run() }
  try withExtendedLifetime(guards) { try ClusterBenchmark(options).run() }
} catch {
  Cleanup.run()
  FileHandle.standardError.write(Data("cluster-bench: \(error)\n".utf8))
  exit(1)
}
