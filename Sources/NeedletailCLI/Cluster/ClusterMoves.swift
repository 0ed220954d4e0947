import NeedletailBlocks
import NeedletailDashboard
import NeedletailTerminal

/// What a change of a cluster moves, as a node answers.
struct ClusterMoves: Equatable {
  struct Move: Equatable {
    /// Who gives the slots up; nil where they only gain a replica.
    var from: String?
    /// Who takes them; nil where they only lose one.
    var to: String?
    var slots: Int
  }

  var epoch: String
  var isDryRun: Bool
  var moves: [Move]
  /// Replicas that stay and are compared with others before.
  var compared: Int
  var warnings: [String]

  /// Reads the answer of a server.
  ///
  /// Throws ``APIFailure/malformed`` for another shape.
  init(_ body: [UInt8], path: String) throws {
    let answer = try Answers.parse(body, path)
    guard let data = answer["data"], case .array(let moves)? = data["moves"], case .bool(let isDryRun)? = data["dryRun"]
    else { throw APIFailure.malformed(path: path, reason: "no data.moves and data.dryRun") }
    epoch = data["epoch"]?.text ?? "0"
    self.isDryRun = isDryRun
    self.moves = try moves.map { move in
      guard let slots = ClusterState.count(move["slots"]) else {
        throw APIFailure.malformed(path: path, reason: "a move without slots")
      }
      return Move(from: move["from"]?.string, to: move["to"]?.string, slots: slots)
    }
    compared = ClusterState.count(data["compared"]) ?? 0
    warnings = Answers.warnings(answer)
  }

  /// The moves as a table, and what they come to.
  func lines(columns: Int?) -> [StyledText] {
    let filled = moves.filter { $0.to != nil }.reduce(0) { $0 + $1.slots }
    let (verb, whole) = isDryRun ? ("would move", "would be") : ("move", "is")
    let comparing = StyledText(
      TerminalText(
        "\(Counted.text(compared, "replica")) of slots that \(compared == 1 ? "stays" : "stay") "
          + "\(isDryRun ? "would be" : compared == 1 ? "is" : "are") compared with others first"))
    guard !moves.isEmpty else {
      return [
        StyledText(TerminalText("nothing \(verb == "move" ? "moves" : verb); the assignment \(whole) version \(epoch)"))
      ] + (compared > 0 ? [comparing] : [])
    }
    let rows = moves.map { move in
      [
        move.from.map { StyledText(TerminalText($0, limit: 200)) } ?? StyledText("(one more replica)", .faint),
        move.to.map { StyledText(TerminalText($0, limit: 200)) } ?? StyledText("(one replica less)", .faint),
        StyledText(TerminalText("\(move.slots)"), .bold),
      ]
    }
    let titles: [Table.Column] = [
      .init("FROM", flexible: true), .init("TO", flexible: true), .init("SLOTS", .right),
    ]
    let sum = "\(Counted.text(filled, "replica")) of slots \(verb); the assignment \(whole) version \(epoch)"
    return Table(columns: titles, rows: rows).lines(within: columns) + [StyledText(TerminalText(sum))]
      + (compared > 0 ? [comparing] : [])
  }
}
