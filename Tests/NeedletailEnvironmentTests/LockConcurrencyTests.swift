import NeedletailEnvironment
import Testing

@Suite("Locks, and ThreadSanitizer that watches them")
struct LockConcurrencyTests {
  /// A number that a lock guards, and one that nothing guards.
  ///
  /// `@unchecked Sendable`: it is not sound, and that is what these tests are about; each runs in a process of its own.
  private final class Numbers: @unchecked Sendable {
    let guarded = Lock(0)
    let other = Lock(0)
    var bare = 0
  }

  /// Runs the body on threads of their own, as many as there are numbers, and waits for them.
  private static func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) throws {
    let threads = try (0..<count).map { index in try #require(OwnThread { body(index) }) }
    for thread in threads { thread.join() }
  }

  @Test("A lock lets one thread at a time at its value")
  func oneAtATime() throws {
    let numbers = Numbers()
    try Self.onThreads(4) { _ in for _ in 0..<20_000 { numbers.guarded.withLock { $0 += 1 } } }
    #expect(numbers.guarded.withLock { $0 } == 80_000)
  }

  @Test("A lock hands on what its body throws and returns, and is free afterwards")
  func handsOn() throws {
    struct Refused: Error, Equatable { var value: Int }
    let lock = Lock([1])
    #expect(throws: Refused(value: 1)) {
      try lock.withLock { value throws(Refused) in
        value.append(2)
        throw Refused(value: value[0])
      }
    }
    #expect(lock.withLock { $0 } == [1, 2])
  }

  #if NEEDLETAIL_TSAN
    /// What ThreadSanitizer ends a process with that raced.
    private static let raced: Int32 = 66

    @Test("What only a lock orders is no race, and what nothing orders ends the process")
    func races() async {
      await #expect(processExitsWith: .success) {
        let numbers = Numbers()
        try Self.onThreads(4) { _ in
          for _ in 0..<20_000 { numbers.guarded.withLock { _ in numbers.bare += 1 } }
        }
      }
      await #expect(processExitsWith: .exitCode(Self.raced)) {
        let numbers = Numbers()
        try Self.onThreads(2) { _ in numbers.bare += 1 }
      }
    }

    @Test("Two locks that are taken in one order and in the other end the process, though nobody waited")
    func order() async {
      await #expect(processExitsWith: .exitCode(Self.raced)) {
        let numbers = Numbers()
        try Self.onThreads(1) { _ in numbers.guarded.withLock { _ in numbers.other.withLock { $0 += 1 } } }
        try Self.onThreads(1) { _ in numbers.other.withLock { _ in numbers.guarded.withLock { $0 += 1 } } }
      }
    }
  #endif
}
