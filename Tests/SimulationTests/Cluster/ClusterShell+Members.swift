import NeedletailTelemetry

@testable import NeedletailCluster

extension ClusterShell {
  mutating func perform(_ actions: [MembershipAction], _ world: inout ClusterWorld) {
    for action in actions {
      switch action {
      case .send(let message, let address):
        guard let to = world.node(NodeID(address.text)) else { continue }
        world.send(message.encoded(), from: number, to: to)
      case .changed(let member): changed(member, &world)
      case .refused(let refusal): refused(refusal, &world)
      case .left: break
      }
    }
  }

  /// What an operator does who reads why the node ended.
  private mutating func refused(_ refusal: MembershipRefusal, _ world: inout ClusterWorld) {
    world.note("\(id) is refused: \(refusal.reason)")
    world.count("refusals of a node")
    crash(&world)
    if refusal.reason != .nameTaken {
      world.reach(.removedNodeRefused)
      disk = NodeDisk(Self.identity(&world))
      world.losses += 1
      world.durable[number] = RowSet()
      world.known[number] = nil
    }
    world.schedule(.restart(number), after: 2_000_000_000)
  }

  private mutating func changed(_ member: Member, _ world: inout ClusterWorld) {
    guard member.node != id else { return }
    let wasPresent = present.contains(member.node)
    let isPresent = member.status.isPresent
    if isPresent { present.insert(member.node) } else { present.remove(member.node) }
    let others = membership.members.filter { $0.status.isPresent && $0.node != id }
    register.setPeers(others.map(\.node))
    founding.setOthers(others.map(\.record.address))
    if member.status.isFinal {
      world.note("\(id) sees \(member.node) \(member.status)")
      // Nobody is left who would lack anything.
      for write in Array(payloads.keys) { payloads[write]?.cared.insert(member.node) }
      perform(writes.nodeRemoved(member.node), &world)
      let actions = hints[member.node]?.nodeRemoved() ?? []
      return perform(actions, of: member.node, &world)
    }
    guard wasPresent != isPresent else { return }
    world.note("\(id) sees \(member.node) \(member.status)")
    if isPresent {
      writes.nodeUp(member.node)
      let now = time(world)
      let actions = hints[member.node]?.nodeUp(now: now) ?? []
      perform(actions, of: member.node, &world)
    } else {
      world.count("nodes seen as dead")
      perform(writes.nodeDown(member.node), &world)
      hints[member.node]?.nodeDown()
    }
  }

  func isPresent(_ node: NodeID) -> Bool { present.contains(node) }

  // MARK: - Counters

  /// What the machines counted becomes known: they are about to go.
  func tellCounters(_ world: inout ClusterWorld) {
    tellMembers(&world)
    tellTopology(&world)
    world.reach(.acknowledgementCameLate, writes.counters.late)
    world.reach(.writeWasRetried, writes.counters.retries)
    world.reach(.writeWasOverloaded, writes.counters.overloaded)
    for (_, queue) in hints {
      let counters = queue.counters
      world.reach(.hintDelivered, counters.delivered)
      world.reach(.hintLogWasFull, counters.tooMany)
      world.reach(.hintNotStored, counters.notStored)
      world.reach(.hintGotTooOld, counters.tooOld)
      world.reach(.hintRefused, counters.refused)
      world.reach(.hintForARemovedNode, counters.removed)
    }
    world.reach(.roundsCameRound, repair.rounds)
  }

  private func tellMembers(_ world: inout ClusterWorld) {
    let events: [(MembershipCounters.Event, ClusterProbe)] = [
      (.indirectProbeSucceeded, .probedThroughAnother), (.suspicionRefuted, .suspicionRefuted),
      (.declaredDead, .nodeTakenForDead), (.returnedFromDead, .nodeBackFromTheDead), (.nameAwaited, .nameAwaited),
      (.nameTakenOver, .nameTakenOver), (.lastWordAsked, .lastWordAsked), (.stoodStill, .stoodStill),
    ]
    for (event, probe) in events { world.reach(probe, Int(membership.counters[event])) }
  }

  private func tellTopology(_ world: inout ClusterWorld) {
    let events: [(TopologyCounters.Event, ClusterProbe)] = [
      (.refused, .ballotRefused), (.outbid, .ballotOutbid), (.adopted, .proposalOfAnotherAdopted),
      (.attemptTimedOut, .attemptTimedOut), (.proposalTimedOut, .proposalTimedOut), (.overtaken, .proposalOvertaken),
      (.recovered, .proposalEndedByAnother), (.repeated, .votedTwiceTheSame), (.tooOld, .askedAboutThePast),
      (.tooNew, .askedAboutTheFuture),
    ]
    for (event, probe) in events { world.reach(probe, Int(register.counters[event])) }
  }
}
