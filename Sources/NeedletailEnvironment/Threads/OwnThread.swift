#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A thread for work that blocks on the disk, which neither an event loop nor the shared pool may do.
package final class OwnThread: Sendable {
  private final class Start: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  #if canImport(Glibc)
    private let thread: pthread_t
  #else
    // An address that is only handed back to the system.
    private nonisolated(unsafe) let thread: pthread_t
  #endif

  /// Starts a thread that runs `body` once.
  ///
  /// Nil when the system gives no thread.
  package init?(_ body: @escaping @Sendable () -> Void) {
    let start = Unmanaged.passRetained(Start(body))
    #if canImport(Glibc)
      var thread = pthread_t()
      let result = pthread_create(&thread, nil, { OwnThread.run($0) }, start.toOpaque())
      guard result == 0 else {
        start.release()
        return nil
      }
      self.thread = thread
    #else
      var thread: pthread_t?
      let result = pthread_create(&thread, nil, { OwnThread.run($0) }, start.toOpaque())
      guard result == 0, let thread else {
        start.release()
        return nil
      }
      self.thread = thread
    #endif
  }

  private static func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
    return nil
  }

  /// Blocks the calling thread for so many nanoseconds, or less where a signal comes; no step of a clock makes it longer.
  package static func sleep(nanoseconds: Int64) {
    let left = max(0, nanoseconds)
    var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
    nanosleep(&time, nil)
  }

  /// Waits until the thread has ended.
  ///
  /// Call at most once, from another thread.
  package func join() { pthread_join(thread, nil) }
}

/// A bell that wakes one waiting thread; a ring while nobody waits is remembered, several are one.
///
/// `@unchecked Sendable`: the flag is only touched while the mutex is held; mutex and condition live as long as the
/// object, at addresses of their own.
package final class WakeSignal: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var isRung = false

  /// A bell that was not rung.
  package init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Wakes the waiting thread, or the next one that waits.
  package func ring() {
    pthread_mutex_lock(mutex)
    isRung = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Waits for a ring, at most `milliseconds`; nil waits for ever.
  package func wait(milliseconds: Int?) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    if let milliseconds {
      var until = timespec()
      clock_gettime(CLOCK_REALTIME, &until)
      let nanoseconds = until.tv_nsec + (max(0, milliseconds) % 1000) * 1_000_000
      until.tv_sec += max(0, milliseconds) / 1000 + nanoseconds / 1_000_000_000
      until.tv_nsec = nanoseconds % 1_000_000_000
      while !isRung {
        if pthread_cond_timedwait(condition, mutex, &until) != 0 { break }
      }
    } else {
      while !isRung { pthread_cond_wait(condition, mutex) }
    }
    isRung = false
  }
}
