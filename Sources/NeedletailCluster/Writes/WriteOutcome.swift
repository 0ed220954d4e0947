/// What the caller of a write is told, once.
package enum WriteOutcome: Equatable, Sendable {
  /// Each slot has the acknowledgements that were asked for.
  case acknowledged
  /// Some slot has not: the caller is to send the same again, after that many seconds. Some replicas may have stored it.
  case unavailable(retryAfter: Int)
  /// So many replicas will never take it that sending it again is in vain.
  case refused
}

/// Why a write was not even begun; nothing of it is kept.
package enum WriteRefused: Error, Equatable, Sendable {
  /// Too much is under way; the caller may come again after that many seconds.
  case overloaded(retryAfter: Int)
  /// A write of this id is under way already.
  case underWay
  /// The write alone is larger than all writes together may be.
  case tooLarge
}
