import Synchronization

#if NEEDLETAIL_TSAN
  import CThreadSanitizer

  /// A value that one thread at a time may touch; not to be entered again from within `withLock`.
  ///
  /// The standard library's lock, and word of it for ThreadSanitizer, which does not see what that one does while it
  /// waits: what a lock orders is then no race, and locks that are taken in two orders are found.
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
  /// The standard library's lock, which costs least. It has a name of our own because `make tsan` needs one that
  /// ThreadSanitizer is told of.
  package typealias Lock<Value: ~Copyable> = Mutex<Value>
#endif
