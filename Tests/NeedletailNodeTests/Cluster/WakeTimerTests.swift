import NeedletailEnvironment
import Testing

@testable import NeedletailNode

@Suite("Waking at a time") struct WakeTimerTests {
  @Test("what is overdue wakes at once, however long it has been", arguments: [Int64.min, -1, 0, 1])
  func overdue(time: Int64) async {
    let (wakes, continuation) = AsyncStream.makeStream(of: Void.self)
    let timer = WakeTimer(clock: SystemClock()) { continuation.yield() }
    timer.set(time)
    for await _ in wakes { break }
    // The same time again, once it has woken, is another one.
    timer.set(time)
    for await _ in wakes { break }
  }

  @Test("a time that another one follows does not wake, and none never does")
  func replaced() async {
    let clock = SystemClock()
    let (wakes, continuation) = AsyncStream.makeStream(of: Int64.self)
    let timer = WakeTimer(clock: clock) { continuation.yield(clock.monotonicNanoseconds()) }
    let start = clock.monotonicNanoseconds()
    timer.set(start + 20_000_000)
    timer.set(nil)
    timer.set(start + 60_000_000)
    for await time in wakes {
      #expect(time >= start + 60_000_000)
      break
    }
  }
}
