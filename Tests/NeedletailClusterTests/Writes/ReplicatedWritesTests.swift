import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Replicated writes") struct ReplicatedWritesTests {
  private typealias Action = ReplicatedWrites.Action

  private let a = NodeID("a")
  private let b = NodeID("b")
  private let c = NodeID("c")

  private func id(_ number: UInt64) -> WriteID { WriteID(Hash128(high: 0, low: number)) }

  /// Every slot on all of these nodes.
  private func targets(_ nodes: [String] = ["a", "b", "c"]) -> WriteTargets {
    let ring = HashRing(nodes.map { RingMember(NodeID($0)) })
    return WriteTargets(slots: [1, 2], in: ReplicaGroups(SlotAssignment(ring, replicaCount: nodes.count)))
  }

  private var limits: WriteLimits {
    var limits = WriteLimits()
    limits.attemptTimeout = 100
    limits.attemptsMax = 3
    limits.backoff = Backoff(base: 10, cap: 20)
    limits.breaker.failuresInARow = 2
    limits.breaker.openFor = 1000...4000
    return limits
  }

  /// A machine and what drives it: the time, and chance that always comes out the same.
  private struct Driver {
    var machine: ReplicatedWrites
    var generator = SeededGenerator(seed: 1)

    mutating func begin(_ id: WriteID, _ targets: WriteTargets, _ level: WriteLevel = .quorum, at now: Int64 = 0)
      -> [Action]
    {
      (try? machine.begin(id, bytes: 10, to: targets, level: level, now: now, deadline: now + 1000)) ?? []
    }

    mutating func refusal(_ id: WriteID, _ targets: WriteTargets, bytes: Int = 10) -> WriteRefused? {
      do throws(WriteRefused) {
        _ = try machine.begin(id, bytes: bytes, to: targets, level: .quorum, now: 0, deadline: 1000)
        return nil
      } catch {
        return error
      }
    }

    mutating func ack(_ id: WriteID, _ node: NodeID, at now: Int64 = 1) -> [Action] {
      machine.acknowledged(id, by: node, now: now)
    }

    mutating func fail(_ id: WriteID, _ node: NodeID, _ failure: ReplicaFailure, attempt: UInt8 = 1, at now: Int64 = 1)
      -> [Action]
    {
      machine.failed(id, at: node, attempt: attempt, failure, now: now, using: &generator)
    }

    mutating func tick(_ now: Int64) -> [Action] { machine.tick(now: now, using: &generator) }
  }

  private func driver(_ change: (inout WriteLimits) -> Void = { _ in }) -> Driver {
    var limits = limits
    change(&limits)
    return Driver(machine: ReplicatedWrites(limits: limits))
  }

  private func send(_ number: UInt64, _ node: NodeID, _ attempt: UInt8 = 1, definitions: Bool = false) -> Action {
    .send(id(number), node, attempt: attempt, withDefinitions: definitions)
  }

  private func same(_ actions: [Action], _ wanted: [Action], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(actions == wanted, sourceLocation: sourceLocation)
  }

  @Test("count no answer to the same content by an earlier assignment, by which a node had fewer of its rows")
  func earlierAssignments() {
    let content = Hash128(high: 1, low: 2)
    let (before, now) = (WriteID(of: content, epoch: 1), WriteID(of: content, epoch: 2))
    #expect(before != now && now == WriteID(of: content, epoch: 2))
    var driver = driver()
    _ = driver.begin(before, targets(), .all)
    same(driver.fail(before, b, .notReplica), [.complete(before, .unavailable(retryAfter: 1)), .forget(before)])
    #expect(driver.begin(now, targets(), .all, at: 2).count == 3)
    same(driver.ack(now, a, at: 3) + driver.ack(now, b, at: 3), [])
    // On its way since before.
    same(driver.ack(before, c, at: 4), [])
    same(driver.ack(now, c, at: 5), [.complete(now, .acknowledged), .forget(now)])
  }

  @Test("are sent to all replicas, told at W, and held until the last one has them")
  func whole() {
    var driver = driver()
    same(driver.begin(id(1), targets()), [send(1, a), send(1, b), send(1, c)])
    same(driver.ack(id(1), b), [])
    same(driver.ack(id(1), b), [])
    same(driver.ack(id(1), a), [.complete(id(1), .acknowledged)])
    #expect(driver.machine.bytes == 10 && driver.machine.count == 1)
    same(driver.ack(id(1), c), [.forget(id(1))])
    #expect(driver.machine.bytes == 0 && driver.machine.count == 0 && driver.machine.queued(for: c) == (0, 0))
    same(driver.tick(2000), [])
    #expect(driver.machine.nextTick == nil)
  }

  @Test("of level one and all take one replica and all of them")
  func levels() {
    var driver = driver()
    _ = driver.begin(id(1), targets(), .one)
    _ = driver.begin(id(2), targets(), .all)
    same(driver.ack(id(1), c), [.complete(id(1), .acknowledged)])
    same(driver.ack(id(2), c) + driver.ack(id(2), a), [])
    same(driver.ack(id(2), b), [.complete(id(2), .acknowledged), .forget(id(2))])
  }

  @Test("leave a hint for a replica that is silent until the deadline, and are held until it is durable")
  func hint() {
    var driver = driver()
    _ = driver.begin(id(1), targets())
    _ = driver.ack(id(1), a)
    _ = driver.ack(id(1), b)
    var sent: [Action] = []
    while let next = driver.machine.nextTick, next < 1000 { sent += driver.tick(next) }
    same(sent, [send(1, c, 2), .hint(id(1), c)])
    #expect(driver.machine.count == 1 && !driver.machine.peers.allSatisfy(\.breaker.isClosed))
    same(driver.machine.hinted(id(1), a), [])
    same(driver.machine.hinted(id(1), c), [.forget(id(1))])
    #expect(driver.machine.counters.hints == 1 && driver.machine.counters.hinted == 1)
  }

  @Test("need no hint for a replica that acknowledges late, and are forgotten when it does")
  func late() {
    var driver = driver()
    _ = driver.begin(id(1), targets())
    same(driver.fail(id(1), c, .refused), [])
    _ = driver.ack(id(1), a)
    same(driver.ack(id(1), c), [.complete(id(1), .acknowledged)])
    same(driver.machine.nodeDown(b), [.hint(id(1), b)])
    same(driver.ack(id(1), b), [.forget(id(1))])
    same(driver.machine.hinted(id(1), b), [])
    #expect(driver.machine.counters.late == 2)
  }

  @Test("fail at once when W cannot be got any more, leave no hints, and tell how long to wait")
  func hopeless() {
    var driver = driver()
    _ = driver.begin(id(1), targets())
    same(driver.machine.nodeDown(a), [])
    same(
      driver.fail(id(1), c, .overloaded(retryAfterMilliseconds: 2500)),
      [.complete(id(1), .unavailable(retryAfter: 3)), .forget(id(1))])
    same(driver.ack(id(1), b) + driver.ack(id(1), a), [])
    same(driver.machine.nodeDown(b), [])
    same(driver.begin(id(2), targets()), [.complete(id(2), .unavailable(retryAfter: 1)), .forget(id(2))])
    #expect(driver.machine.counters.hints == 0 && driver.machine.counters.unavailable == 2)
  }

  @Test("are refused for good when so many replicas refuse that trying again is in vain")
  func refused() {
    var driver = driver()
    _ = driver.begin(id(1), targets())
    same(driver.fail(id(1), a, .refused), [])
    same(driver.fail(id(1), b, .refused), [.complete(id(1), .refused), .forget(id(1))])
    _ = driver.begin(id(2), targets())
    same(driver.fail(id(2), a, .refused) + driver.ack(id(2), b), [])
    same(driver.ack(id(2), c), [.complete(id(2), .acknowledged), .gaveUp(id(2), a), .forget(id(2))])
    _ = driver.begin(id(4), targets())
    same(driver.fail(id(4), a, .refused) + driver.ack(id(4), a) + driver.fail(id(4), b, .refused), [])
    same(driver.ack(id(4), c), [.complete(id(4), .acknowledged), .gaveUp(id(4), b), .forget(id(4))])
    _ = driver.begin(id(3), targets())
    same(driver.fail(id(3), a, .notReplica), [])
    same(driver.fail(id(3), b, .notReplica), [.complete(id(3), .unavailable(retryAfter: 1)), .forget(id(3))])
  }

  @Test("What is given up is told before hints are asked for, so that a hint that fails at once does not take it along")
  func givenUpFirst() {
    var driver = driver()
    let nodes = ["a", "b", "c", "d", "e"]
    let (d, e) = (NodeID("d"), NodeID("e"))
    _ = driver.begin(id(1), targets(nodes))
    _ = driver.machine.nodeDown(d)
    same(driver.fail(id(1), e, .notReplica), [])
    _ = driver.ack(id(1), a) + driver.ack(id(1), b)
    same(driver.ack(id(1), c), [.complete(id(1), .acknowledged), .gaveUp(id(1), e), .hint(id(1), d)])
    same(driver.machine.hintGivenUp(id(1), d), [.forget(id(1))])
  }

  @Test("are sent again after a while within the deadline, and at once with definitions where these are wanted")
  func retries() {
    var driver = driver()
    _ = driver.begin(id(1), targets(), .all)
    same(driver.fail(id(1), a, .unknownSeries), [send(1, a, 2, definitions: true)])
    same(driver.fail(id(1), b, .unreachable), [])
    let due = driver.machine.nextTick ?? 0
    #expect((1...11).contains(due))
    same(driver.tick(due), [send(1, b, 2)])
    same(driver.fail(id(1), b, .unreachable, attempt: 1, at: due), [])
    #expect(driver.machine.counters.retries == 2)
    same(
      driver.fail(id(1), a, .overloaded(retryAfterMilliseconds: .max), attempt: 2),
      [
        .complete(id(1), .unavailable(retryAfter: 60)), .forget(id(1)),
      ])
  }

  @Test("are not sent to a node that failed again and again, but for one probe at a time")
  func breaker() {
    var driver = driver { $0.attemptsMax = 1 }
    for number in 1...2 as ClosedRange<UInt64> {
      _ = driver.begin(id(number), targets())
      same(driver.fail(id(number), c, .unreachable), [])
    }
    same(driver.begin(id(3), targets()), [send(3, a), send(3, b)])
    same(driver.begin(id(4), targets(), at: 1001), [send(4, a), send(4, b), send(4, c)])
    same(driver.begin(id(5), targets(), at: 1001), [send(5, a), send(5, b)])
    same(driver.ack(id(4), c, at: 1002), [])
    same(driver.begin(id(6), targets(), at: 1002), [send(6, a), send(6, b), send(6, c)])
    same(driver.ack(id(5), a, at: 1003), [])
    same(driver.ack(id(5), b, at: 1003), [.complete(id(5), .acknowledged), .hint(id(5), c)])
  }

  @Test("go straight to hints for a node whose queue is full, and are refused only where W cannot be got without it")
  func crowded() {
    var driver = driver { $0.peerWritesMax = 2 }
    for number in 1...2 as ClosedRange<UInt64> {
      _ = driver.begin(id(number), targets())
      _ = driver.ack(id(number), a)
      _ = driver.ack(id(number), b)
    }
    same(driver.begin(id(3), targets()), [send(3, a), send(3, b)])
    _ = driver.ack(id(3), a)
    same(driver.ack(id(3), b), [.complete(id(3), .acknowledged), .hint(id(3), c)])
    _ = driver.machine.nodeDown(a)
    #expect(driver.refusal(id(4), targets()) == .overloaded(retryAfter: 1))
    #expect(driver.machine.counters.overloaded == 1 && driver.machine.counters.overloadedBytes == 10)
  }

  @Test("are bounded in number and bytes, and nothing is twice under way")
  func bounds() {
    var driver = driver {
      $0.writesMax = 2
      $0.bytesMax = 100
    }
    #expect(driver.refusal(id(1), targets(), bytes: 101) == .tooLarge)
    #expect(driver.refusal(id(1), targets(), bytes: 60) == nil)
    #expect(driver.refusal(id(1), targets()) == .underWay)
    #expect(driver.refusal(id(2), targets(), bytes: 41) == .overloaded(retryAfter: 1))
    #expect(driver.refusal(id(2), targets(), bytes: 40) == nil)
    #expect(driver.refusal(id(3), targets(), bytes: 0) == .overloaded(retryAfter: 1))
  }

  @Test("need W of the old owners and W of the new ones while members change")
  func change() {
    let old = SlotAssignment(HashRing(["a", "b", "c"].map { RingMember(NodeID($0)) }), replicaCount: 3)
    let new = SlotAssignment(HashRing(["c", "d", "e"].map { RingMember(NodeID($0)) }), replicaCount: 3)
    var driver = driver()
    _ = driver.begin(id(1), WriteTargets(slots: [7], in: ReplicaGroups(old, next: new)))
    same(driver.ack(id(1), a) + driver.ack(id(1), b) + driver.ack(id(1), NodeID("d")), [])
    same(driver.ack(id(1), c), [.complete(id(1), .acknowledged)])
  }

  @Test("need of each of two groups the W by which it holds the slots, and the greater where both are the same nodes")
  func twoQuorums() {
    let (one, other) = (NodeID("d"), NodeID("e"))
    func assigned(_ names: [String]) -> SlotAssignment {
      SlotAssignment(HashRing(names.map { RingMember(NodeID($0)) }), replicaCount: names.count)
    }
    let (old, new) = (assigned(["a", "b", "c"]), assigned(["a", "b", "c", "d", "e"]))
    let (two, four) = (Replication(count: 3, writeQuorum: 2), Replication(count: 5, writeQuorum: 4))
    var driver = driver()
    _ = driver.begin(id(1), WriteTargets(slots: [7], in: ReplicaGroups(old, two, beside: new, four)))
    same(driver.ack(id(1), one) + driver.ack(id(1), other) + driver.ack(id(1), a), [])
    same(driver.ack(id(1), b), [.complete(id(1), .acknowledged)])
    let all = Replication(count: 3, writeQuorum: 3)
    for (first, second) in [(two, all), (all, two)] {
      var driver = self.driver()
      _ = driver.begin(id(1), WriteTargets(slots: [7], in: ReplicaGroups(old, first, beside: old, second)))
      same(driver.ack(id(1), a) + driver.ack(id(1), b), [])
      same(driver.ack(id(1), c), [.complete(id(1), .acknowledged), .forget(id(1))])
    }
  }

  @Test("owe nothing to a node that was removed")
  func removed() {
    var driver = driver()
    _ = driver.begin(id(1), targets())
    _ = driver.ack(id(1), a)
    _ = driver.ack(id(1), b)
    same(driver.machine.nodeRemoved(c), [.forget(id(1))])
    #expect(driver.machine.counters.removed == 1 && driver.machine.peers.count == 3)
    _ = driver.begin(id(2), targets(["a", "b", "d"]))
    #expect(driver.machine.peers.count == 3, "its place is used again")
  }

  @Test("without rows are acknowledged, and without replicas are not")
  func nobody() {
    var driver = driver()
    let empty = ReplicaGroups(SlotAssignment(HashRing([]), replicaCount: 3))
    same(driver.begin(id(1), WriteTargets(slots: [], in: empty)), [.complete(id(1), .acknowledged), .forget(id(1))])
    same(
      driver.begin(id(2), WriteTargets(slots: [3], in: empty)),
      [.complete(id(2), .unavailable(retryAfter: 1)), .forget(id(2))])
  }

  @Test("that end early leave no timers behind")
  func timers() {
    var driver = driver()
    let targets = targets(["a"])
    for number in 0..<5000 as Range<UInt64> {
      _ = driver.begin(id(number), targets)
      _ = driver.ack(id(number), a)
    }
    #expect(driver.machine.timers.count <= 65 && driver.machine.counters.acknowledged == 5000)
  }
}
