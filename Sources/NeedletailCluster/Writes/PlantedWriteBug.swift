/// What tests break on purpose, to see that their checks would find it. Only debug builds can, and only tests do.
enum PlantedWriteBug: CaseIterable, Sendable {
  /// A replica that is to get a hint counts as one that has the write.
  case hintCounts
  /// A slot is acknowledged one short of W.
  case oneTooFew
  /// What did not answer by the deadline gets no hint.
  case hintDroppedOnTimeOut
  /// The payload is freed when a hint is asked for, and not when it is durable.
  case forgottenBeforeHint
  /// An acknowledgement that comes after the replica was given up is not heard.
  case lateAcknowledgementIgnored
  /// In a change of members the old and the new owners of a slot count as one set.
  case ownersUnited
  /// A write that can no longer succeed waits for its deadline.
  case hopelessWaits
  /// A failure of an earlier attempt counts for the one that is under way.
  case staleFailureCounts
  /// A refusal for good is followed by a hint, which will be refused for ever.
  case refusedIsHinted
  /// A peer's queue is never counted down.
  case queueLeaks
  /// An open breaker stays open.
  case breakerNeverHalfOpens
  /// A half-open breaker lets everybody through.
  case breakerProbesWithoutEnd
  /// A hint is reported as durable when it was handed to the disk.
  case hintedBeforeStored
  /// Hints are delivered last come, first served.
  case hintsOutOfOrder
  /// An acknowledgement of a hint that was counted as failed is not heard.
  case lateHintAcknowledgementIgnored
  /// Hints that are too old or too many go without a word.
  case hintsGivenUpSilently
  /// All up to an acknowledged hint is released, whatever lies before it.
  case releasedTooEarly
  /// As many hints are in flight as there are.
  case windowIgnored
}
