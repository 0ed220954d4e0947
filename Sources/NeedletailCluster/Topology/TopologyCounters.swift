/// How often what happened, since the node was started: for its own metrics, and to see that tests reach rare states.
package struct TopologyCounters: Hashable, Sendable {
  package enum Event: Int, Sendable, CaseIterable {
    case promised, accepted, refused, repeated, notAsked, tooOld, tooNew, foreign, unlike
    case learned, told, fetched
    case attempted, outbid, attemptTimedOut, adopted, chosen, overtaken, proposalTimedOut, recovered
  }

  private var counts = [UInt64](repeating: 0, count: Event.allCases.count)

  package init() {}

  package subscript(event: Event) -> UInt64 { counts[event.rawValue] }

  mutating func count(_ event: Event) { counts[event.rawValue] &+= 1 }
}
