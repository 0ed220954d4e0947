@testable import NeedletailCluster

/// What is broken on purpose, to see that the simulation finds it.
struct Plants {
  /// Mistakes of whoever performs the actions.
  enum ShellBug: CaseIterable {
    /// What is to be on disk before an answer is given is given to the disk after it.
    case answersBeforeSync
    /// A replica that lacks what was acknowledged counts.
    case emptyNodeVotes
    case readsOne
    case writesOne
    /// An answer lacks its last row.
    case losesLastRow
    /// Hints are reported as durable, and are nowhere.
    case hintsStayInMemory
    /// Hints that come are acknowledged, and are on the disk alone.
    case acknowledgesWithoutStoring
    /// A write is taken that was begun when another disk, or undamaged data, counted.
    case takesOldAssignments
    /// Nobody compares.
    case forgetsToRepair
    /// What repair brings is not written to the disk.
    case repairsInMemory
  }

  var shell: ShellBug?
  var write: PlantedWriteBug?
  var read: PlantedReadBug?
  var membership: PlantedBugs = []
}
