#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

#if NEEDLETAIL_TSAN
  import CThreadSanitizer
  import Synchronization

  /// A value that one thread at a time may touch; not to be entered again from within `withLock`.
  ///
  /// The standard library's lock, which is sound in builds that are not optimised, and word of it for ThreadSanitizer,
  /// which does not see what that one does while it waits: what a lock orders is then no race, and locks that are taken in
  /// two orders are found. Of POSIX' locks it does not find that here.
  package struct Lock<Value: ~Copyable>: ~Copyable, Sendable {
    private let mutex: Mutex<Value>
    /// The lock's name for ThreadSanitizer: an address of its own, where nothing is ever read or written.
    private nonisolated(unsafe) let name = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)

    /// A lock that nobody holds.
    package init(_ initialValue: consuming sending Value) {
      mutex = Mutex(initialValue)
      __tsan_mutex_create(name, 0)
    }

    deinit {
      __tsan_mutex_destroy(name, 0)
      name.deallocate()
    }

    /// Waits for the lock and calls `body` with what it guards.
    package borrowing func withLock<Result: ~Copyable, Failure: Error>(
      _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
      __tsan_mutex_pre_lock(name, 0)
      defer { __tsan_mutex_post_unlock(name, 0) }
      return try mutex.withLock { value throws(Failure) in
        __tsan_mutex_post_lock(name, 0, 0)
        defer { __tsan_mutex_pre_unlock(name, 0) }
        return try body(&value)
      }
    }
  }
#else
  /// A value that one thread at a time may touch; not to be entered again from within `withLock`.
  ///
  /// POSIX' lock, not `Mutex`. On Linux (Swift 6.3) that one knows its holder by a number in memory of the thread and is
  /// inlined; in an asynchronous function the compiler looks up where that memory is once, though the function may go on on
  /// another thread after each `await`. The lock is then taken in the name of one thread and given back in that of another,
  /// which ends an optimised process ("Call to unlock Mutex on a thread which hasn't acquired the lock"). What a call into
  /// the C library looks up stays there. It costs 15 ns for 5.
  ///
  /// `@unchecked Sendable`: the value is only touched while the mutex is held; both live as long as the lock, at addresses of
  /// their own.
  package struct Lock<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
    @usableFromInline let value: UnsafeMutablePointer<Value>

    /// A lock that nobody holds.
    @inlinable package init(_ initialValue: consuming sending Value) {
      mutex = .allocate(capacity: 1)
      mutex.initialize(to: pthread_mutex_t())
      pthread_mutex_init(mutex, nil)
      value = .allocate(capacity: 1)
      value.initialize(to: initialValue)
    }

    @inlinable deinit {
      pthread_mutex_destroy(mutex)
      mutex.deallocate()
      value.deinitialize(count: 1)
      value.deallocate()
    }

    /// Waits for the lock and calls `body` with what it guards.
    @inlinable package borrowing func withLock<Result: ~Copyable, Failure: Error>(
      _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
      pthread_mutex_lock(mutex)
      defer { pthread_mutex_unlock(mutex) }
      return try body(&value.pointee)
    }
  }
#endif
