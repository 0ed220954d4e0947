/// How often what happened, since the node was started: for its own metrics, and to see that tests reach rare states.
package struct MembershipCounters: Hashable, Sendable {
  package enum Event: Int, Sendable, CaseIterable {
    case probeSucceeded, probeFailed, indirectProbeSucceeded, relayed, relayRefused, nackSent
    case suspected, suspicionConfirmed, suspicionRefuted, lastWordAsked, declaredDead, returnedFromDead
    case refutedOwnSuspicion, refutedOwnDeath, incarnationRaised
    case ownerKept, ownerReplaced, nameTakenOver, nameAwaited, nameAwaitedInVain, settledByOthers, settledByTime
    case senderRefused, cloneRefused, cloneChecked, targetMismatched
    case seedAsked, deadAsked, viewsEqual, viewsDiffered, pageDivided
    case stoodStill, patienceRaised, updateStale, tableFull
  }

  private var counts = [UInt64](repeating: 0, count: Event.allCases.count)

  package init() {}

  package subscript(event: Event) -> UInt64 { counts[event.rawValue] }

  mutating func count(_ event: Event) { counts[event.rawValue] &+= 1 }
}
