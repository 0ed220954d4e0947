/// Which members' news is still to be passed on, and how often it was.
///
/// What was passed on least goes first, of that the newest. The news itself is looked up when it is sent, so that it is
/// the latest there is.
struct UpdateQueue: Sendable {
  private struct Ticket: Equatable {
    var level: Int
    var serial: UInt64
  }

  private var tickets: [NodeID: Ticket] = [:]
  /// By how often it was passed on. Holds outdated entries too, whose ticket is another by now.
  private var levels: [[(node: NodeID, serial: UInt64)]] = [[]]
  private var serial: UInt64 = 0

  /// More than this does not fit into a message or two.
  static let manyCount = 32

  var count: Int { tickets.count }

  func contains(_ node: NodeID) -> Bool { tickets[node] != nil }

  /// There is news of this member: it counts as not passed on yet.
  mutating func add(_ node: NodeID) { put(node, at: 0) }

  /// Somebody told it who need not be told any more: counts as passed on.
  ///
  /// When most know it, most of what a node hears is what it knows, and news dies out the sooner. That is for when many
  /// nodes have news at once; a little news is better told too often.
  mutating func heardAgain(_ node: NodeID, limit: Int) {
    guard tickets.count > Self.manyCount, let ticket = tickets[node] else { return }
    tickets[node] = nil
    if ticket.level + 1 < limit { put(node, at: ticket.level + 1) }
  }

  mutating func remove(_ node: NodeID) { tickets[node] = nil }

  private mutating func put(_ node: NodeID, at level: Int) {
    while levels.count <= level { levels.append([]) }
    serial += 1
    tickets[node] = Ticket(level: level, serial: serial)
    levels[level].append((node, serial))
  }

  /// Takes what fits; what was passed on `limit` times is forgotten.
  ///
  /// `size` gives the bytes of a member's news, nil where there is none any more. Ends at the first that does not fit; one is taken in any case, so that a long one does not wait for ever.
  mutating func take(bytes: Int, limit: Int, size: (NodeID) -> Int?) -> [NodeID] {
    guard !tickets.isEmpty else { return [] }
    var left = bytes
    var taken: [(node: NodeID, level: Int)] = []
    search: for level in levels.indices {
      while let last = levels[level].last {
        guard tickets[last.node] == Ticket(level: level, serial: last.serial) else {
          levels[level].removeLast()
          continue
        }
        guard let size = size(last.node) else {
          tickets[last.node] = nil
          continue
        }
        guard size <= left || taken.isEmpty else { break search }
        left -= size
        levels[level].removeLast()
        tickets[last.node] = nil
        taken.append((last.node, level))
      }
    }
    // Put back only now, so that nothing is taken twice; from the last on, so that the newest stays on top.
    for entry in taken.reversed() where entry.level + 1 < limit { put(entry.node, at: entry.level + 1) }
    return taken.map(\.node)
  }
}
