/// Mistakes that tests plant, one at a time, to see that they would be found. Internal: nothing outside of this
/// target but its tests can name one.
enum PlantedReadBug: CaseIterable {
  // Reads
  case unreadyVotes
  case missingPartial
  case digestsOverFewerWindows
  case unionDropsSecondReplica
  case repairToTheWrongSide
  case hedgeCountedTwice
  case lateDigestReplacesThatOfData
  case differenceIgnored
  // Repair
  case merkleWithoutLastBucket
  case readyAfterOnePartner
  case readyWithUnreadyPartners
  case readyAfterOnePass
  case damageForgotten
  case pushesNothing
  case endsBeforeStored
}
