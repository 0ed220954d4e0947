#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A process that runs this executable with other arguments, and dies with this one.
struct ChildProcess: Sendable {
  /// Why a child could not be started.
  struct StartError: Error, CustomStringConvertible {
    let code: Int32
    var description: String { "a process of the shop could not be started: \(String(cString: strerror(code)))" }
  }

  let process: pid_t
  /// The end of the child's standard input that this process holds; it closes when this process ends, however it ends.
  private let lifeline: Int32

  /// Starts this executable with arguments.
  init(arguments: [String]) throws(StartError) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw StartError(code: errno) }
    // The other children must not hold this child's lifeline.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    #if canImport(Glibc)
      var actions = posix_spawn_file_actions_t()
    #else
      var actions: posix_spawn_file_actions_t?
    #endif
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
    let executable = Self.executablePath
    var argv: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) } + [nil]
    defer { for argument in argv { free(argument) } }
    var child: pid_t = 0
    let code = posix_spawn(&child, executable, &actions, nil, &argv, environ)
    guard code == 0 else {
      close(ends[1])
      throw StartError(code: code)
    }
    process = child
    lifeline = ends[1]
  }

  /// Sends a signal.
  func signal(_ number: Int32) { kill(process, number) }

  /// Whether the process has ended; also buries it, so ask no more once it has.
  func hasEnded() -> Bool {
    var status: Int32 = 0
    let ended = waitpid(process, &status, WNOHANG)
    if ended == process { close(lifeline) }
    return ended == process || (ended < 0 && errno == ECHILD)
  }

  private static var executablePath: String {
    #if os(Linux)
      var buffer = [CChar](repeating: 0, count: 4_096)
      let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
      if count > 0 { return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) }
    #endif
    return CommandLine.arguments[0]
  }
}
