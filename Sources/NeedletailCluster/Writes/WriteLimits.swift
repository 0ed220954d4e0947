/// The bounds and the patience of `ReplicatedWrites`.
package struct WriteLimits: Equatable, Sendable {
  /// Writes whose payload is held at once.
  package var writesMax = 16_384
  /// Their payload, in bytes.
  package var bytesMax = 256 << 20
  /// Writes that wait for the answer of one node. What is beyond goes straight to hints.
  package var peerWritesMax = 2_048
  /// Their payload, in bytes; a write that is larger is sent where nothing else waits.
  package var peerBytesMax = 64 << 20
  /// How long a node has to answer, in ns.
  package var attemptTimeout: Int64 = 2_000_000_000
  /// How often one node is asked within the deadline of a write.
  package var attemptsMax: UInt8 = 4
  /// How long to wait before asking again.
  package var backoff = Backoff(base: 50_000_000, cap: 2_000_000_000)
  /// When to leave a node alone.
  package var breaker = CircuitBreaker.Settings()
  /// What a caller is told to wait where nothing better is known, and at most, in seconds.
  package var retryAfter = 1...60

  package init() {}
}
