import NeedletailEnvironment

/// Answers on their way to whoever asked: in the order of their questions, however long each takes.
///
/// One task takes places for questions, one takes the answers; anybody gives them.
final class OrderedAnswers: Sendable {
  private struct State {
    /// Places that were taken, and those whose answers were.
    var placed = 0
    var taken = 0
    /// What is to be taken next, of so many answers.
    var ready: [UInt8] = []
    var readyCount = 0
    /// Answers that came before those ahead of them.
    var early: [Int: [UInt8]] = [:]
    var isOver = false
    var failure: GRPCStatus?
    var asker: CheckedContinuation<Void, Never>?
    var taker: CheckedContinuation<Void, Never>?
  }

  private let atOnce: Int
  private let state = Lock(State())

  /// With room for so many questions whose answers were not taken.
  init(atOnce: Int) { self.atOnce = atOnce }

  /// Whether there will be no more answers.
  var isOver: Bool { state.withLock { $0.isOver } }

  /// What was wrong, where something was.
  var failure: GRPCStatus? { state.withLock { $0.failure } }

  /// The place of the next question, as soon as there is room for one, or at once where all is over.
  func place() async -> Int {
    await withCheckedContinuation { continuation in
      let mayGo = state.withLock { state in
        let mayGo = state.isOver || state.placed - state.taken < atOnce
        if !mayGo { state.asker = continuation }
        return mayGo
      }
      if mayGo { continuation.resume() }
    }
    return state.withLock { state in
      defer { state.placed += 1 }
      return state.placed
    }
  }

  /// Gives the answer of a place.
  func give(_ answer: [UInt8], at place: Int) {
    let taker = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard place == state.taken + state.readyCount else {
        state.early[place] = answer
        return nil
      }
      state.ready += answer
      state.readyCount += 1
      while let next = state.early.removeValue(forKey: state.taken + state.readyCount) {
        state.ready += next
        state.readyCount += 1
      }
      defer { state.taker = nil }
      return state.taker
    }
    taker?.resume()
  }

  /// All answers that are there, one behind the other, as soon as there is one; nil when all is over.
  func next() async -> [UInt8]? {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        let isThere = state.isOver || state.readyCount > 0
        if !isThere { state.taker = continuation }
        return isThere
      }
      if isThere { continuation.resume() }
    }
    let (answers, asker) = state.withLock { state -> ([UInt8]?, CheckedContinuation<Void, Never>?) in
      guard state.readyCount > 0, state.failure == nil else { return (nil, nil) }
      defer {
        state.taken += state.readyCount
        (state.ready, state.readyCount, state.asker) = ([], 0, nil)
      }
      return (state.ready, state.asker)
    }
    asker?.resume()
    return answers
  }

  /// There will be no more answers; after a failure those that are there are not told either. The first call counts.
  func end(_ failure: GRPCStatus?) {
    let (asker, taker) = state.withLock { state in
      if !state.isOver { (state.isOver, state.failure) = (true, failure) }
      defer { (state.asker, state.taker) = (nil, nil) }
      return (state.asker, state.taker)
    }
    asker?.resume()
    taker?.resume()
  }
}
