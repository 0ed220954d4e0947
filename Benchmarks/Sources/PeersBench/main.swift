import BenchmarkSupport
import Foundation

// Needletail beside its peers. Everything is on this machine: the servers listen on loopback, each has a fresh folder, and none outlives
// this program.
do {
  let options = try Options(Array(CommandLine.arguments.dropFirst()))
  let guards = Cleanup.onSignals(minutesMax: options.minutesMax)
  defer { Cleanup.run() }
  try withExtendedLifetime(guards) { try PeersBenchmark(options).run() }
} catch {
  Cleanup.run()
  FileHandle.standardError.write(Data("peers-bench: \(error)\n".utf8))
  exit(1)
}
