/// Times of `Founding`, in nanoseconds.
package struct FoundingOptions: Hashable, Sendable {
  /// From one question to the next.
  package var interval: Int64 = 1_000_000_000
  /// After how long what was answered does not count any more.
  package var answerMax: Int64 = 5_000_000_000
  /// How long a node without seeds waits whether it hears of others.
  ///
  /// Where its disk was lost it may be the only one that does not know the cluster; others that look for it are heard of
  /// meanwhile. A node that has been part of a cluster is better given seeds.
  package var aloneAfter: Int64 = 0

  package init() {}
}
