// A child must not outlive the process that started it, even one that was killed outright. The parent holds the other end
// of the child's standard input and the kernel closes it whatever happens to the parent; PR_SET_PDEATHSIG would do on
// Linux alone, and there it speaks of the parent's thread, not of its process.

import Dispatch

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Stops this process when its standard input ends.
enum ParentWatch {
  /// Starts to watch, on a thread of its own.
  static func start() {
    DispatchQueue(label: "parent-watch").async {
      var byte: UInt8 = 0
      while true {
        let count = read(0, &byte, 1)
        if count > 0 || (count < 0 && errno == EINTR) { continue }
        break
      }
      kill(getpid(), SIGTERM)
      // The service group now stops everything; should that hang, nobody is left to notice.
      sleep(3)
      _exit(1)
    }
  }
}
