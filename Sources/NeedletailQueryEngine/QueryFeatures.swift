/// In what an engine differs from Prometheus' defaults, as its feature flags have it.
package struct QueryFeatures: Sendable, Hashable {
  /// Whether the metric's name, where a function or operator takes it away, goes at the end of the query only.
  ///
  /// `label_replace` and `label_join` may keep it then, and series of several names do not collide half-way. Prometheus:
  /// `promql-delayed-name-removal`.
  package var delaysNameRemoval: Bool
  /// Whether what senders told of when a count began is used by `rate`, `increase`, `irate`, `resets` and
  /// `start_timestamp`.
  ///
  /// Prometheus: `use-start-timestamps`.
  package var usesStartTimestamps: Bool

  /// Features; by default names go at once, and start timestamps are used where there are some.
  package init(delaysNameRemoval: Bool = false, usesStartTimestamps: Bool = true) {
    self.delaysNameRemoval = delaysNameRemoval
    self.usesStartTimestamps = usesStartTimestamps
  }
}
