/// Whether a peer that failed is to be asked now.
///
/// *Closed*: yes. It opens after failures in a row, or where the share of failures over a while is too high. *Open*: no, for a time
/// that doubles as long as it does no good. *Half open*: one probe at a time; its success closes, its failure opens again, and
/// where no word of it comes another one may go after a while. A success closes, whenever it comes.
package struct CircuitBreaker: Equatable, Sendable {
  package struct Settings: Equatable, Sendable {
    /// So many failures in a row open it.
    package var failuresInARow = 5
    /// So many results within the window are enough to judge by their share of failures.
    package var resultsMin = 20
    /// This many failures of 100 results open it.
    package var failurePercent = 50
    /// What the share is taken over, in ns: between half of this and all of it.
    package var window: Int64 = 10_000_000_000
    /// How long it is open at first, and at most, in ns.
    package var openFor: ClosedRange<Int64> = 1_000_000_000...30_000_000_000
    /// How long a probe may take, in ns.
    package var probeTimeout: Int64 = 5_000_000_000

    package init() {}
  }

  private enum State: Equatable {
    case closed
    case open(until: Int64)
    case halfOpen(probeUntil: Int64)
  }

  private struct Results: Equatable {
    var all = 0
    var failures = 0
  }

  private let settings: Settings
  private var state = State.closed
  private var inARow = 0
  /// How often it opened without a success.
  private var openings = 0
  private var halfWindowEnd = Int64.min
  private var current = Results()
  private var previous = Results()
  #if DEBUG
    /// What a test broke.
    var planted: PlantedWriteBug?
  #endif

  /// A closed one.
  package init(_ settings: Settings = Settings()) { self.settings = settings }

  package var isClosed: Bool { state == .closed }

  /// Whether `admit` would say yes.
  package func wouldAdmit(at now: Int64) -> Bool {
    switch state {
    case .closed: true
    case .open(let until): now >= until && !isPlanted(.breakerNeverHalfOpens)
    case .halfOpen(let until): now >= until || isPlanted(.breakerProbesWithoutEnd)
    }
  }

  /// Whether the peer may be asked now. Half open it is so once: the one who asks is the probe, and must.
  package mutating func admit(at now: Int64) -> Bool {
    guard wouldAdmit(at: now) else { return false }
    if state != .closed { state = .halfOpen(probeUntil: now &+ settings.probeTimeout) }
    return true
  }

  /// How long until the peer may be asked, in ns; 0 where that is now.
  package func wait(at now: Int64) -> Int64 {
    switch state {
    case .closed: 0
    case .open(let until), .halfOpen(let until): max(0, until &- now)
    }
  }

  /// The peer answered.
  package mutating func succeeded(at now: Int64) {
    inARow = 0
    openings = 0
    if state == .closed {
      count(failure: false, at: now)
    } else {
      close()
    }
  }

  /// The peer did not answer.
  package mutating func failed(at now: Int64) {
    switch state {
    case .closed:
      inARow += 1
      count(failure: true, at: now)
      let results = current.all + previous.all
      let failures = current.failures + previous.failures
      let isShareTooHigh = results >= settings.resultsMin && failures * 100 >= results * settings.failurePercent
      if inARow >= settings.failuresInARow || isShareTooHigh { open(at: now) }
    case .halfOpen: open(at: now)
    case .open: break
    }
  }

  /// Closes it and forgets all failures: the peer is known to be back.
  package mutating func close() {
    state = .closed
    inARow = 0
    openings = 0
    current = Results()
    previous = Results()
  }

  private mutating func open(at now: Int64) {
    let wait = Backoff(base: settings.openFor.lowerBound, cap: settings.openFor.upperBound)
    openings += 1
    state = .open(until: now &+ wait.longest(failures: openings))
  }

  private mutating func count(failure: Bool, at now: Int64) {
    if now >= halfWindowEnd {
      // Where more than the half window passed since its end, nothing of before is young enough to count.
      let isRecent = halfWindowEnd > .min && now &- halfWindowEnd < settings.window / 2
      previous = isRecent ? current : Results()
      current = Results()
      halfWindowEnd = now &+ settings.window / 2
    }
    current.all += 1
    if failure { current.failures += 1 }
  }

  private func isPlanted(_ bug: PlantedWriteBug) -> Bool {
    #if DEBUG
      planted == bug
    #else
      false
    #endif
  }
}
