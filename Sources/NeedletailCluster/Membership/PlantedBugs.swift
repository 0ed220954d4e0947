/// Bugs that tests plant to see that the simulation finds them: nothing outside of tests can set any.
struct PlantedBugs: OptionSet, Sendable {
  let rawValue: UInt32

  /// Whoever says something worse of a member is believed, however old it is.
  static let ignoresIncarnations = PlantedBugs(rawValue: 1 << 0)
  /// A suspect has one period, however many members there are.
  static let hastySuspicion = PlantedBugs(rawValue: 1 << 1)
  /// A node that hears of itself as suspect or dead does nothing about it.
  static let refutesNothing = PlantedBugs(rawValue: 1 << 2)
  /// News is passed on to one other only.
  static let tellsOnce = PlantedBugs(rawValue: 1 << 3)
  /// Others are not asked to ping.
  static let asksNobodyElse = PlantedBugs(rawValue: 1 << 4)
  /// A retired identity counts as a new one.
  static let takesOldIdentities = PlantedBugs(rawValue: 1 << 5)
  /// A newcomer takes a name over while its holder is alive.
  static let takesLivingNames = PlantedBugs(rawValue: 1 << 6)
  /// Who was removed is back with its next word.
  static let forgetsRemovals = PlantedBugs(rawValue: 1 << 7)
  /// Seeds are asked once and never again.
  static let asksSeedsOnce = PlantedBugs(rawValue: 1 << 8)
  /// Who is dead is never asked again.
  static let givesUpTheDead = PlantedBugs(rawValue: 1 << 9)
  /// A node that stood still takes the time for that of the others.
  static let ignoresOwnPauses = PlantedBugs(rawValue: 1 << 10)
  /// A node answers pings for whoever had its address before.
  static let answersForOthers = PlantedBugs(rawValue: 1 << 11)
  /// Of two that claim a name at once each node keeps the one that it heard of first.
  static let keepsFirstHeard = PlantedBugs(rawValue: 1 << 12)
  /// News is passed on for ever.
  static let tellsForEver = PlantedBugs(rawValue: 1 << 13)
  /// A goodbye is kept to oneself.
  static let leavesSilently = PlantedBugs(rawValue: 1 << 14)
}
