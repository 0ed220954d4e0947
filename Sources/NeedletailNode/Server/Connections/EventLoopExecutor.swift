import NIOCore

/// Runs tasks on an event loop: what serves a connection then stays on the thread that reads and writes it.
///
/// Each trip to Swift's cooperative pool and back wakes two threads, which costs more than most requests. What runs here
/// must not wait for a disk: queries, flushes and merges have threads of their own.
final class EventLoopExecutor: TaskExecutor {
  private let eventLoop: any EventLoop

  init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
