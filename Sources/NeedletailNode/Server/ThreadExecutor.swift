import NIOPosix

/// Threads of our own for tasks that block: queries that read parts, flushes, merges.
///
/// Neither the event loops nor Swift's cooperative pool (as many threads as cores) may wait for a disk.
final class ThreadExecutor: TaskExecutor {
  private let pool: NIOThreadPool

  /// Starts the threads.
  init(threads: Int) {
    pool = NIOThreadPool(numberOfThreads: threads)
    pool.start()
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    pool.submit { [self] _ in
      // Also when the pool is being stopped: a job that is dropped would leave its task waiting for ever.
      job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }

  /// Runs blocking work on one of the threads.
  func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await pool.runIfActive(body)
  }

  /// Lets the threads end once they are idle.
  func shutDown() async {
    try? await pool.shutdownGracefully()
  }
}
