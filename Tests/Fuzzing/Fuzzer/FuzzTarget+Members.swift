import NeedletailEnvironment

@testable import NeedletailCluster
@testable import NeedletailTelemetry

// What members say to each other: nodes are not malicious, but every message is read as if they were.

extension FuzzTarget {
  static let members = [
    FuzzTarget(name: "membership-message") { data, count in
      let bytes = fuzzBytes(data, count)
      guard let message = try? MembershipMessage(decoding: bytes) else { return 0 }
      let again = message.encoded().withUnsafeBytes { try? MembershipMessage(decoding: $0) }
      // A number may have had a longer form; in the shortest it is no longer than before.
      precondition(again == message, "a message changed")
      handOver(message)
      return 0
    },
    FuzzTarget(name: "read-message") { data, count in
      let bytes = Array(fuzzBytes(data, count))
      guard let message = try? ReadMessage(bytes, node: NodeID("reader")) else { return 0 }
      switch message {
      case .request, .response:
        precondition((try? ReadMessage(message.bytes, node: NodeID("reader"))) == message, "a message changed")
      case .failure: _ = message.bytes
      }
      if case .response(let response) = message { handOver(response.answer) }
      return 0
    },
  ]
}

/// A read under way gets the answer, whatever it says, and goes on.
private func handOver(_ answer: QuorumRead.Answer) {
  let nodes = ["a", "b", "c"].map { NodeID($0) }
  let group = SlotGroup(slots: [0, 1, 2], replicas: nodes, ready: nodes)
  var random = SeededGenerator(seed: 1)
  var read = QuorumRead(
    QuorumRead.Plan(
      groups: [group], windows: answer.windows, readQuorum: 2, partial: .allow, peers: [:], deadline: 10, hedgeAfter: 1)
  )
  var actions = read.begin(now: 0, using: &random)
  for case .ask(let ask) in actions { actions += read.answered(ask.id, answer, now: 0) }
  actions += read.tick(now: 5) + read.tick(now: 10)
  for case .complete(let outcome) in actions { precondition(outcome.coverage.asked == [0, 1, 2]) }
}

/// A node that was just started gets the message, twice, and goes on.
private func handOver(_ message: MembershipMessage) {
  let identity = NodeIdentity(Hash128(high: 1, low: 2))
  guard
    let record = try? NodeRecord(node: NodeID("storage-1"), identity: identity, address: PeerAddress("10.0.0.1:7100"))
  else { return }
  var random = SeededGenerator(seed: 1)
  var membership = Membership(record, run: 1, seeds: [PeerAddress("10.0.0.2:7100")])
  for step in 0..<2 as Range<Int64> {
    let now = step * 5_000_000_000
    let actions =
      membership.receive(message, from: message.sender.address, now: now, random: &random)
      + membership.tick(now: now, random: &random)
    for case .send(let sent, _) in actions {
      precondition(sent.encoded().count <= MembershipMessage.bytesMax, "a message that is too large")
    }
  }
}
