import NeedletailEnvironment

@testable import NeedletailCluster

/// Random events for a `CircuitBreaker`: it lets one probe through at a time, and is never open for good.
enum BreakerTrial {
  static func run(seed: UInt64, planted: PlantedWriteBug? = nil) -> [String] {
    var generator = SeededGenerator(seed: seed)
    var settings = CircuitBreaker.Settings()
    settings.failuresInARow = 3
    settings.openFor = 100...350
    settings.probeTimeout = 50
    var breaker = CircuitBreaker(settings)
    breaker.planted = planted
    var now: Int64 = 0
    var probeUntil: Int64?
    var violations: [String] = []
    for _ in 0..<300 {
      now += Int64.random(in: 0...60, using: &generator)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0:
        breaker.succeeded(at: now)
        probeUntil = nil
        if !breaker.isClosed { violations.append("a success does not close it") }
      case 1...3:
        let wasClosed = breaker.isClosed
        let wouldAdmit = breaker.wouldAdmit(at: now)
        let isAdmitted = breaker.admit(at: now)
        if isAdmitted != wouldAdmit { violations.append("it does not do what it said") }
        if isAdmitted, !wasClosed {
          if let probeUntil, now < probeUntil { violations.append("two probes at a time") }
          probeUntil = now + settings.probeTimeout
        }
      default:
        breaker.failed(at: now)
        probeUntil = nil
      }
      if breaker.wait(at: now) > 350 { violations.append("it is open for too long") }
      if !breaker.wouldAdmit(at: now + 350) { violations.append("it is open for good") }
    }
    return violations
  }
}
