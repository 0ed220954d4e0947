/// Whether a round of comparisons is done, told from what nodes say of theirs before it and since.
struct ClusterVerification {
  /// How a round stands.
  enum Standing: Equatable {
    /// What it waits for, in words.
    case waiting(String)
    /// It cannot be told, and why.
    case impossible(String)
    /// What its comparisons found.
    case done(Found)
  }

  /// What the comparisons of a round found, or came to.
  struct Found: Equatable {
    /// Those that found a difference in hours that have settled.
    var different = 0
    /// Of the others those that found one in descriptions of metrics, and those that found one only in the hours that are
    /// being written.
    var descriptions = 0
    var recent = 0
    /// Those that were given up.
    var failed = 0
    /// Nodes without room for all descriptions, which go on differing in them.
    var full: [String] = []

    /// Whether the replicas agree, as far as they ever will.
    var isVerified: Bool { different == 0 && failed == 0 && (descriptions == 0 || !full.isEmpty) }
  }

  /// How many comparisons were asked for.
  let asked: Int
  /// Before they were.
  let before: ClusterState

  func standing(_ now: ClusterState) -> Standing {
    guard now.cluster != nil else { return .impossible("the cluster is not formed yet") }
    if let change = now.change { return .waiting("\(change.what), \(ClusterReport.progress(change))") }
    let holders = now.members.filter(\.holdsSlots)
    if holders.isEmpty { return .impossible("no node holds a slot") }
    if let absent = holders.first(where: { !$0.isUp }) {
      return .impossible("\(absent.name) is \(absent.status): what it holds cannot be compared")
    }
    if asked == 0, now.replication > 1, holders.count > 1 {
      return .impossible("the cluster asked for no comparison")
    }
    var (done, found) = (0, Found())
    for node in holders {
      guard let exchanges = node.exchanges else {
        return .impossible("\(node.name) does not say how far its comparisons are")
      }
      if exchanges.waiting > 0 { return .waiting("\(exchanges.waiting) comparisons wait on \(node.name)") }
      // A node that was started anew counts from nothing.
      let old = before.nodes.first { $0.name == node.name }?.exchanges
      func since(_ count: KeyPath<ClusterState.Exchanges, Int>) -> Int {
        let (new, old) = (exchanges[keyPath: count], old?[keyPath: count] ?? 0)
        return new < old ? new : new - old
      }
      done += since(\.finished) + since(\.failed)
      found.failed += since(\.failed)
      found.different += since(\.different)
      found.descriptions += since(\.differentDescriptions)
      found.recent += since(\.differentRecent)
      if node.descriptionsRefused > 0 { found.full.append(node.name) }
    }
    if done < asked { return .waiting("\(done) of \(asked) comparisons are done") }
    if let node = holders.first(where: { ($0.unready ?? 0) > 0 }) {
      return .waiting("\(node.unready ?? 0) slots are not whole on \(node.name) yet")
    }
    if let silent = holders.first(where: { $0.unready == nil }) {
      return .impossible("\(silent.name) does not say whether its slots are whole")
    }
    return .done(found)
  }
}
