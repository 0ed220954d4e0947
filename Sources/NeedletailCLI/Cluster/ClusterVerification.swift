/// Whether a round of comparisons is done, told from what nodes say of theirs before it and since.
struct ClusterVerification {
  /// How a round stands.
  enum Standing: Equatable {
    /// What it waits for, in words.
    case waiting(String)
    /// It cannot be told, and why.
    case impossible(String)
    /// How many comparisons found a difference, and how many were given up.
    case done(different: Int, failed: Int)
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
    if asked == 0, now.replication > 1, holders.count > 1 {
      return .impossible("the cluster asked for no comparison")
    }
    if let absent = holders.first(where: { !$0.isUp }) {
      return .impossible("\(absent.name) is \(absent.status): what it holds cannot be compared")
    }
    var (done, failed, different) = (0, 0, 0)
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
      failed += since(\.failed)
      different += since(\.different)
    }
    if done < asked { return .waiting("\(done) of \(asked) comparisons are done") }
    if let node = holders.first(where: { ($0.unready ?? 0) > 0 }) {
      return .waiting("\(node.unready ?? 0) slots are not whole on \(node.name) yet")
    }
    if let silent = holders.first(where: { $0.unready == nil }) {
      return .impossible("\(silent.name) does not say whether its slots are whole")
    }
    return .done(different: different, failed: failed)
  }
}
