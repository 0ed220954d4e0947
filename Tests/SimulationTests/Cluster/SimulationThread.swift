import Foundation

/// A thread for what computes for seconds: Swift's own are as few as there are cores, and other tests wait for them.
enum SimulationThread {
  static func run<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: body()) }
    }
  }
}
