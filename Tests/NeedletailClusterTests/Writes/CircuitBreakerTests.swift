import NeedletailCluster
import Testing

@Suite("A circuit breaker") struct CircuitBreakerTests {
  private var settings: CircuitBreaker.Settings {
    var settings = CircuitBreaker.Settings()
    settings.failuresInARow = 3
    settings.resultsMin = 10
    settings.failurePercent = 50
    settings.window = 1000
    settings.openFor = 100...350
    settings.probeTimeout = 50
    return settings
  }

  private func admissions(_ breaker: inout CircuitBreaker, at times: Int64...) -> [Bool] {
    times.map { breaker.admit(at: $0) }
  }

  private func opened(at now: Int64) -> CircuitBreaker {
    var breaker = CircuitBreaker(settings)
    for _ in 0..<3 { breaker.failed(at: now) }
    return breaker
  }

  @Test("opens after failures in a row, and a success in between begins them anew")
  func inARow() {
    var breaker = CircuitBreaker(settings)
    for _ in 0..<3 {
      breaker.failed(at: 0)
      breaker.failed(at: 0)
      #expect(breaker.wouldAdmit(at: 0) && breaker.isClosed)
      breaker.succeeded(at: 0)
    }
    let open = opened(at: 0)
    #expect(!open.isClosed && !open.wouldAdmit(at: 99) && open.wait(at: 40) == 60)
  }

  @Test("opens when half of the results of a while are failures, and what is older does not count")
  func share() {
    var breaker = CircuitBreaker(settings)
    for index in 0..<9 { index % 2 == 0 ? breaker.failed(at: 10) : breaker.succeeded(at: 10) }
    #expect(breaker.isClosed, "too few to judge by")
    breaker.failed(at: 20)
    #expect(!breaker.isClosed)
    var slow = CircuitBreaker(settings)
    for index in 0..<100 {
      index % 2 == 0 ? slow.failed(at: Int64(index) * 200) : slow.succeeded(at: Int64(index) * 200)
    }
    #expect(slow.isClosed, "a window never holds ten of these")
    var aged = CircuitBreaker(settings)
    for index in 0..<9 { index % 2 == 0 ? aged.failed(at: 10) : aged.succeeded(at: 10) }
    aged.failed(at: 5000)
    #expect(aged.isClosed)
  }

  @Test(
    "lets one probe through when its time is over; success closes it, failure opens it for twice as long, up to a limit"
  )
  func probes() {
    var breaker = opened(at: 0)
    let admitted1 = admissions(&breaker, at: 99, 100, 100, 149)
    #expect(admitted1 == [false, true, false, false])
    breaker.failed(at: 120)
    let admitted2 = admissions(&breaker, at: 319, 320)
    #expect(admitted2 == [false, true])
    breaker.failed(at: 320)
    let admitted3 = admissions(&breaker, at: 669, 670)
    #expect(admitted3 == [false, true])
    breaker.succeeded(at: 680)
    #expect(breaker.isClosed)
    let admitted4 = admissions(&breaker, at: 680, 680)
    #expect(admitted4 == [true, true])
    for _ in 0..<3 { breaker.failed(at: 700) }
    #expect(breaker.wait(at: 700) == 100, "it begins anew after a success")
  }

  @Test("sends another probe where no word of the first one comes")
  func lostProbe() {
    var breaker = opened(at: 0)
    let admitted5 = admissions(&breaker, at: 100, 149, 150, 151)
    #expect(admitted5 == [true, false, true, false])
  }

  @Test("closes with a success whenever it comes, and failures that were under way when it opened change nothing")
  func lateResults() {
    var breaker = opened(at: 0)
    breaker.failed(at: 50)
    #expect(breaker.wait(at: 50) == 50)
    breaker.succeeded(at: 60)
    #expect(breaker.isClosed)
  }

  @Test(
    "lets one probe through at a time and is never open for good, whatever happens",
    arguments: 1...50 as ClosedRange<UInt64>)
  func trials(seed: UInt64) {
    let violations = BreakerTrial.run(seed: seed)
    #expect(violations.isEmpty, "seed \(seed)")
  }
}
