import NeedletailTelemetry

/// In which order events are returned.
package enum EventDirection: Sendable {
  case oldestFirst
  case newestFirst
}

/// Which events are wanted.
package struct EventQuery: Sendable {
  package var tenant: TenantID
  /// Conditions on labels, all of which must hold.
  ///
  /// A label that an event does not have counts as the empty text.
  package var matchers: [LabelMatcher]
  /// Conditions on the text of the body, all of which must hold.
  package var bodyFilters: [BodyFilter]
  /// A log's time, a span's start.
  package var range: EventTimeRange
  /// Nanoseconds that a span must have lasted, both ends included; nil for any.
  package var duration: ClosedRange<Int64>?
  /// The most events to return; nil for all.
  package var limit: Int?
  package var direction: EventDirection

  package init(
    tenant: TenantID, matchers: [LabelMatcher] = [], bodyFilters: [BodyFilter] = [], range: EventTimeRange = .all,
    duration: ClosedRange<Int64>? = nil, limit: Int? = nil, direction: EventDirection = .oldestFirst
  ) {
    self.tenant = tenant
    self.matchers = matchers
    self.bodyFilters = bodyFilters
    self.range = range
    self.duration = duration
    self.limit = limit
    self.direction = direction
  }
}
