/// States that a run may come to and mostly does not: counted over all runs, because what is never reached is never tested.
enum ClusterProbe: String, CaseIterable {
  // Writes
  case writeWasRetried
  case acknowledgementCameLate
  case replicaAcknowledgedTwice
  case writeWasUnavailable
  case writeWasOverloaded
  case writeWasUnderWayAlready
  case writeOfAnOlderEpochRefused
  case writeRefusedAfterItWasStored
  case writeRefusedByAFullDisk
  case ownRowsNotTaken
  case writeToOldAndNewOwners
  case writeOfANodeWithoutSlots
  case writeAcknowledgedWithANodeAway
  case replicaReportedAsLacking
  case olderValueLost
  case breakerOpened
  case breakerHalfOpened
  // Hints
  case hintDelivered
  case hintDeliveredAgain
  case hintLogWasFull
  case hintGotTooOld
  case hintNotStored
  case hintRefused
  case hintForARemovedNode
  case hintsFoundAtStart
  case hintOfAnOlderEpochTaken
  // Reads
  case readWasHedged
  case digestsDiffered
  case readUnitedReplicas
  case readWasPartial
  case readWasDenied
  case readFromAnUnreadyReplica
  case readOfAnotherEpochRefused
  case questionWaitedForALayout
  case readBegunAgain
  case answerCameLate
  case readAtANodeWithoutSlots
  // Repair
  case filledFromAQuorum
  case filledFromEverybody
  case fillBegunAnew
  case comparisonHeldBackByAnOwedLoss
  case exchangeWithoutAnswer
  case exchangeWithAReplacedDisk
  case exchangeOverANewerEpoch
  case exchangeMetAFullDisk
  case compareAskedOfAnother
  case windowDamaged
  case damagedWindowRefilled
  case damageFoundAtStart
  case roundsCameRound
  case rowsPushed
  case rowsPulled
  // Who holds what
  case ballotRefused
  case ballotOutbid
  case proposalOfAnotherAdopted
  case attemptTimedOut
  case proposalTimedOut
  case proposalOvertaken
  case proposalEndedByAnother
  case votedTwiceTheSame
  case askedAboutThePast
  case askedAboutTheFuture
  case startedWithAVote
  case epochsSkipped
  case nodeAdded
  case nodeDrained
  case deadNodeRemoved
  case changeCommitted
  case changeOver
  case changeCancelled
  case committedWithAFormerOwnerAway
  case overWithAFormerOwnerAway
  case diskReplaced
  case twoDisksReplacedAtOnce
  case diskReplacedInAChange
  case damageCounted
  case recordOfAnEarlierTenure
  case clusterOfFewerNodesThanReplicas
  // How many hold it, and where
  case replicasGrew
  case replicasShrank
  case writeQuorumRose
  case writeQuorumFell
  case quorumsChangedByARing
  case ringOfFewerNodesThanReplicas
  case weightChanged
  case zoneChanged
  case changeOfQuorumsCancelled
  case diskReplacedInAChangeOfQuorums
  case writeByTwoQuorums
  case keptSlotCompared
  case keptSlotSynced
  case changeRefusedForItsEnd
  // What expires
  case rowsExpired
  case rowsExpiredOnTheirWay
  case writeOfExpiredRows
  case hintOfExpiredRows
  case readBeganAfterItsOwnEdge
  case lackedWindowExpired
  // Who is there
  case nodeStopsInOrder
  case probedThroughAnother
  case suspicionRefuted
  case nodeTakenForDead
  case nodeBackFromTheDead
  case nameAwaited
  case nameTakenOver
  case lastWordAsked
  case stoodStill
  case removedNodeRefused
  // Disks and clocks
  case tornLogCut
  case crashDuringASync
  case everybodyDown
  case topologyNotKept
  case monotonicJump
  case wallClockSetBack
  case slowDisk
  case slowNode

  /// Those that a few hundred seeds may miss by chance.
  static let rarest: Set<ClusterProbe> = [
    .exchangeWithAReplacedDisk, .hintForARemovedNode, .deadNodeRemoved, .removedNodeRefused,
    .changeRefusedForItsEnd, .diskReplacedInAChangeOfQuorums, .fillBegunAnew, .filledFromEverybody,
  ]
}
