import Testing

@testable import NeedletailCluster

@Suite("Suspicions") struct SuspicionTests {
  private let options = MembershipOptions()

  private func timeout(_ members: Int, witnesses: Int) -> Int64 {
    var suspicion = Suspicion(witnesses: [NodeID("w0")], now: 5, members: members, options)
    for number in 1..<max(1, witnesses) { _ = suspicion.confirm(NodeID("w\(number)")) }
    return (suspicion.deadline - 5) / 1_000_000
  }

  @Test("The time to answer grows with the logarithm of the number of members and shrinks with witnesses")
  func timeouts() {
    #expect(timeout(3, witnesses: 1) == 4000)
    #expect(timeout(15, witnesses: 1) == 24_000)
    #expect(timeout(1000, witnesses: 1) == 60_000)
    #expect(timeout(1000, witnesses: 3) == 20_000)
    #expect((34_000...36_000).contains(timeout(1000, witnesses: 2)))
    #expect(timeout(1000, witnesses: 9) == 20_000)
  }

  @Test("A witness counts once")
  func witnesses() {
    var suspicion = Suspicion(witnesses: [NodeID("a")], now: 0, members: 100, options)
    let longest = suspicion.deadline
    let news = ["a", "b", "b", "c", "d"].map { suspicion.confirm(NodeID($0)) }
    #expect(news == [false, true, false, true, false])
    #expect(suspicion.deadline < longest)
  }
}
