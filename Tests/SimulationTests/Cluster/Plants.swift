@testable import NeedletailCluster

/// What is broken on purpose, to see that the simulation finds it.
struct Plants {
  /// Mistakes of whoever performs the actions.
  enum ShellBug: CaseIterable {
    /// What is to be on disk before an answer is given is given to the disk after it.
    case answersBeforeSync
    /// The name of a new file is not made durable before what is in it counts.
    case skipsDirectorySync
    /// A replica that lacks what was acknowledged counts.
    case emptyNodeVotes
    case readsOne
    case writesOne
    /// Each slot has one replica fewer than it should.
    case wrongReplicaCount
    /// Of two values of one row the one that came last counts.
    case tieByArrival
    /// An answer lacks its last row.
    case losesLastRow
    /// A replica makes its digest some time after its data.
    case digestAfterData
    /// A question that was asked by another layout is answered.
    case answersByAnyLayout
    /// Hints are reported as durable, and are nowhere.
    case hintsStayInMemory
    /// Hints that come are acknowledged, and are nowhere.
    case acknowledgesWithoutStoring
    /// A write that is sent again when others hold its slots is called what it was called before.
    case namesByContentAlone
    /// A write is taken that was begun when another disk, other owners, or undamaged data counted.
    case takesOldAssignments
    /// While members change, writes go to those who are read from alone.
    case writesToOwnersAlone
    /// Nobody compares.
    case forgetsToRepair
    /// What repair brings is not written to the disk.
    case repairsInMemory
    /// What is compared counts before the others know of the loss.
    case fillsBeforeTheLossIsKnown
    /// An owner that lost its disk takes as few others as one that never acknowledged anything.
    case fillsOwnersAsNewcomers
    /// A record counts although the slot was somebody else's meanwhile.
    case keepsOldRecords
    /// A new owner says that it has all that it is to have.
    case claimsToBeFilled
    /// The W that the cluster was founded with counts, whatever was agreed on since.
    case writesByTheFirstQuorum
    /// Reads ask as many as the N and W say that the cluster was founded with.
    case readsByTheFirstQuorum
    /// A replica that stays compares nothing before a change is committed.
    case claimsToBeCompared
    /// One that stays says what it compared before that is on its disk.
    case comparesInMemory
    /// What expires is dropped with the hour that it begins to leave in.
    case dropsAnHourTooMuch
    /// Of an hour that has begun to leave digests and rows are told.
    case tellsOfThePartialHour
    /// Repair compares what has expired.
    case comparesWhatExpired
    /// A read begins with the first hour that its own node still has.
    case readsFromItsOwnEdge
    /// A read leaves out more than it has to.
    case readsFromTooLate
    /// What a damaged window lacks is waited for after the window is gone.
    case waitsForWhatExpired
  }

  var shell: ShellBug?
  var write: PlantedWriteBug?
  var read: PlantedReadBug?
  var topology: PlantedTopologyBug?
  var change: PlantedChangeBug?
  var membership: PlantedBugs = []
}
