/// What became of all writes so far.
package struct WriteCounters: Equatable, Sendable {
  /// Writes that were taken on.
  package var begun = 0
  package var acknowledged = 0
  package var unavailable = 0
  package var refused = 0
  /// Writes that were not taken on because too much was under way, and their bytes.
  package var overloaded = 0
  package var overloadedBytes = 0
  /// Attempts beyond the first to one node.
  package var retries = 0
  /// Hints that were asked for, became durable, were given up.
  package var hints = 0
  package var hinted = 0
  package var hintsGivenUp = 0
  /// Replicas of acknowledged writes that get neither the write nor a hint of it.
  package var gaveUp = 0
  /// Replicas that missed an acknowledged write and were removed before they had it.
  package var removed = 0
  /// Acknowledgements of replicas that had been given up for the write, or were to get a hint.
  package var late = 0
}
