/// How long a suspect has to say that it is alive: less, the more members got no answer from it, each of its own.
struct Suspicion: Sendable {
  /// Who got no answer, in the order in which it was heard.
  private(set) var witnesses: [NodeID]
  /// When it began; moved on by the time in which this node itself stood still.
  var start: Int64
  /// Whether the suspect was asked for its last word.
  var isAsked = false
  private let shortest: Int64
  private let longest: Int64
  private let needed: Int

  /// `others` is how many members could share the suspicion.
  init(witnesses: [NodeID], now: Int64, members: Int, _ options: MembershipOptions) {
    self.witnesses = Array(witnesses.prefix(MemberUpdate.witnessesMax))
    start = now
    shortest =
      options.period * options.suspicionMultiplier * Int64(BinaryLogarithm.ceiling(ofOneMoreThan: members))
    longest = shortest * max(1, options.suspicionMaxMultiplier)
    // Neither the suspect nor who suspected first confirms it: where others are too few, nobody waits for them.
    needed = members - 2 >= options.confirmations ? options.confirmations : 0
  }

  /// Whether `witness` is news.
  mutating func confirm(_ witness: NodeID) -> Bool {
    guard witnesses.count <= needed, witnesses.count < MemberUpdate.witnessesMax, !witnesses.contains(witness) else {
      return false
    }
    witnesses.append(witness)
    return true
  }

  /// When the suspect counts as dead: falls with the logarithm of the number of witnesses.
  var deadline: Int64 {
    let confirmed = min(max(0, witnesses.count - 1), needed)
    guard needed > 0 else { return start + shortest }
    let share = BinaryLogarithm.precise(UInt64(confirmed + 1)) >> 24
    let whole = BinaryLogarithm.precise(UInt64(needed + 1)) >> 24
    return start + longest - (longest - shortest) / 1024 * (share * 1024 / whole)
  }
}
