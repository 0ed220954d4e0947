/// What tests break on purpose, to see that their checks would find it: nothing outside of tests can set any.
enum PlantedTopologyBug: CaseIterable, Sendable {
  /// A node answers before its promise or acceptance is stored.
  case answersBeforeStore
  /// A node forgets what it promised and accepted when it starts anew.
  case forgetsPromises
  /// A proposer asks those who will hold the slots, and not those who hold them.
  case asksNextAlone
  /// A proposer proposes its own although somebody has accepted another's.
  case ignoresAccepted
  /// Numbers of attempts do not tell nodes apart.
  case equalBallots
  /// A proposer counts its own vote, and does not keep it.
  case ownVoteUnstored
  /// Half of an even number is enough, whoever is among them.
  case halfIsEnough
  /// A node accepts whatever comes, also below what it promised.
  case acceptsBelowPromise
  /// A node votes on an epoch that is over as far as it knows.
  case votesOnThePast
  /// A node with a new disk votes in the name of the old one.
  case newDiskVotes
  /// A topology of another cluster is taken as a newer one of one's own.
  case learnsForeign
  /// What was accepted for one epoch is kept for the next.
  case keepsVotes
  /// A change is over while those who were owners may not have heard of its commit.
  case finishesUntold
  /// A node neither asks for what it hears of nor compares what it knows.
  case asksNobody
  /// A cluster is founded by those seeds that have answered.
  case foundsWithoutAll
  /// A cluster is founded whatever others know.
  case foundsBesideOthers
}
