/// What tests break on purpose in how a change moves slots and quorums, to see that their checks would find it: nothing
/// outside of tests can set any.
enum PlantedChangeBug: CaseIterable, Sendable {
  /// Where fewer are to agree on a read than before, those that stay are taken for whole as they are.
  case keepsUncompared
  /// Where a write will be on fewer nodes, those that stay count whatever they lack.
  case keepsUnready
  /// What those that stay have to compare with ends one too early.
  case keepsWithOneTooFew
  /// They count who was not ready.
  case keepsWithUnready
  /// They count what was compared before the change began.
  case keepsWithEarlier
  /// How many have to know of a commit follows from the N and W that are now.
  case tellsByNewQuorum
  /// Where the nodes of a slot stay, nobody is told that W has fallen.
  case tellsOthersAlone
  /// Of the two groups that take a write the newer one is acknowledged by the other's W.
  case writesByOneQuorum
  /// Where both groups are the same nodes, the W that was noted first counts.
  case writesByFirstQuorum
  /// New owners are filled from as many as the N and W ask for that are to come.
  case fillsByNextQuorum
  /// Reads ask as many as the N and W say that are to come.
  case readsByNextQuorum
}
