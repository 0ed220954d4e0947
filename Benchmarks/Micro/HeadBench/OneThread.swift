import NeedletailEnvironment

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Runs tasks on one thread, so that the CPU time of that thread is theirs and not the log's writer's.
final class OneThread: TaskExecutor {
  private let jobs = Lock<[UnownedJob]>([])
  private let bell = WakeSignal()

  /// Runs a body on a thread of its own and returns what it threw.
  static func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let executor = OneThread()
    _ = OwnThread { executor.work() }
    try await withTaskExecutorPreference(executor) { try await body() }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    jobs.withLock { $0.append(job) }
    bell.ring()
  }

  private func work() {
    while true {
      let ready = jobs.withLock { jobs in
        defer { jobs = [] }
        return jobs
      }
      for job in ready { job.runSynchronously(on: asUnownedTaskExecutor()) }
      if ready.isEmpty { bell.wait(milliseconds: nil) }
    }
  }

  /// CPU time of the calling thread, in ns.
  static func cpu() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
