/// What is believed of a member; the order is the one in which beliefs of one incarnation override each other.
package enum MemberStatus: UInt8, Comparable, Sendable, CaseIterable {
  case alive = 0
  /// Did not answer; has time to say that it is alive.
  case suspect = 1
  /// Did not answer and said nothing in time. It keeps its slots, and is alive again as soon as it says so.
  case dead = 2
  /// Said goodbye: final for its identity.
  case left = 3
  /// Was taken out by an operator: final for its identity.
  case removed = 4

  /// Whether nothing that the identity says changes it any more.
  package var isFinal: Bool { self >= .left }
  /// Whether it is to be probed and asked.
  package var isPresent: Bool { self <= .suspect }

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
