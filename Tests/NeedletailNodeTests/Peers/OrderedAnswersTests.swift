import NeedletailEnvironment
import Testing

@testable import NeedletailNode

@Suite("Answers in the order of their questions")
struct OrderedAnswersTests {
  @Test("are told in it in whatever order they are given, each once", arguments: 1...20 as ClosedRange<UInt64>)
  func order(seed: UInt64) async {
    let answers = OrderedAnswers(atOnce: 16)
    var generator = SeededGenerator(seed: seed)
    let numbers = 0..<200
    let pauses = numbers.map { _ in Int.random(in: 0..<4, using: &generator) }
    let told = Task {
      var told: [UInt8] = []
      while let some = await answers.next() { told += some }
      return told
    }
    await withDiscardingTaskGroup { group in
      for number in numbers {
        let place = await answers.place()
        #expect(place == number)
        group.addTask {
          for _ in 0..<pauses[number] { await Task.yield() }
          answers.give([UInt8(number)], at: place)
        }
      }
    }
    answers.end(nil)
    #expect(await told.value == numbers.map { UInt8($0) })
  }

  @Test("take no more questions than there is room for, until one is told")
  func room() async {
    let answers = OrderedAnswers(atOnce: 2)
    let first = await answers.place()
    let second = await answers.place()
    let isThere = Shared(false)
    let third = Task {
      let place = await answers.place()
      isThere.withLock { $0 = true }
      return place
    }
    answers.give([2], at: second)
    for _ in 0..<100 { await Task.yield() }
    #expect(!isThere.withLock { $0 })
    answers.give([1], at: first)
    #expect(await answers.next() == [1, 2])
    #expect(await third.value == 2)
  }

  @Test("end for all who wait; what is there is told first, but for a failure")
  func end() async {
    let good = OrderedAnswers(atOnce: 1)
    good.give([1], at: await good.place())
    good.end(nil)
    good.end(GRPCStatus(.internal, "too late"))
    #expect(await good.next() == [1])
    #expect(await good.next() == nil)
    #expect(good.failure == nil)
    let bad = OrderedAnswers(atOnce: 1)
    let place = await bad.place()
    let asker = Task { await bad.place() }
    let taker = Task { await bad.next() }
    bad.end(GRPCStatus(.invalidArgument, "what is that"))
    _ = await asker.value
    #expect(await taker.value == nil)
    bad.give([1], at: place)
    #expect(await bad.next() == nil)
    #expect(bad.failure?.code == .invalidArgument)
  }
}
