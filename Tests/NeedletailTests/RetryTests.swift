import Testing

@testable import Needletail

@Suite("Retry")
struct RetryTests {
  @Test("Waits double up to the longest, each between half and all of its base", arguments: UInt64(0)...50)
  func backoff(random: UInt64) throws {
    var settings = Needletail.Configuration.Retry()
    settings.first = .milliseconds(100)
    settings.longest = .milliseconds(500)
    var policy = RetryPolicy(settings)
    for base in [100, 200, 400, 500, 500] {
      let next = policy.wait(afterAttemptOf: .zero, retryAfter: nil, random: random &* 0x9e37_79b9)
      let wait = try #require(next)
      #expect(wait >= .milliseconds(base) / 2 && wait <= .milliseconds(base))
    }
  }

  @Test("A receiver that asks for more time gets it")
  func retryAfter() {
    var policy = RetryPolicy(.init())
    #expect(policy.wait(afterAttemptOf: .zero, retryAfter: .seconds(17), random: 0) == .seconds(17))
    var impatient = RetryPolicy(.init())
    #expect(impatient.wait(afterAttemptOf: .zero, retryAfter: .milliseconds(1), random: 0) == .milliseconds(500))
  }

  @Test("A batch is given up when attempts and waits have taken the whole time")
  func givesUp() {
    var settings = Needletail.Configuration.Retry()
    settings.total = .seconds(10)
    var policy = RetryPolicy(settings)
    #expect(policy.wait(afterAttemptOf: .seconds(4), retryAfter: .seconds(5), random: 0) == .seconds(5))
    #expect(policy.wait(afterAttemptOf: .seconds(1), retryAfter: nil, random: 0) == nil)
    var asked = RetryPolicy(settings)
    #expect(asked.wait(afterAttemptOf: .zero, retryAfter: .seconds(11), random: 0) == nil)
  }

  @Test(
    "Retry-After is read as seconds or as a date",
    arguments: [
      ("0", Duration.zero as Duration?), (" 120 ", .seconds(120)), ("-1", nil), ("", nil), ("soon", nil),
      ("99999999999", nil), ("Sun, 06 Nov 1994 08:49:37 GMT", .seconds(37)), ("Sun, 06 Nov 1994 08:48:37 GMT", nil),
      ("Sun, 06 Now 1994 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 25:49:37 GMT", nil),
      ("Sun, 06 Nov 99999 08:49:37 GMT", nil),
      ("Mon, 07 Nov 1994 08:49:00 GMT", .seconds(86_400)),
    ])
  func retryAfterHeader(header: String, wait: Duration?) {
    #expect(RetryAfter.duration(header, now: 784_111_740) == wait)
  }

  @Test("Leap years are counted")
  func leapYears() {
    // 2024-02-29T00:00:00Z, 2000-03-01T00:00:00Z and 2100-03-01T00:00:00Z
    #expect(RetryAfter.duration("Thu, 29 Feb 2024 00:00:01 GMT", now: 1_709_164_800) == .seconds(1))
    #expect(RetryAfter.duration("Wed, 01 Mar 2000 00:00:01 GMT", now: 951_868_800) == .seconds(1))
    #expect(RetryAfter.duration("Mon, 01 Mar 2100 00:00:01 GMT", now: 4_107_542_400) == .seconds(1))
  }

  @Test(
    "A malformed answer refuses nothing",
    arguments: [
      [], [0x0a], [0x0a, 9, 8, 1], [0x12, 1, 1], [0x0a, 2, 0x10, 1], [UInt8](repeating: 0xff, count: 30),
      [0x0a, 3, 0x08, 0xff, 0xff],
    ])
  func malformedAnswer(bytes: [UInt8]) {
    #expect(PartialSuccess.rejected(in: bytes) == 0)
  }

  @Test("The refused records of an answer are read")
  func rejected() { #expect(PartialSuccess.rejected(in: [0x0a, 3, 0x08, 0x96, 1]) == 150) }
}
