import Foundation
import NeedletailEnvironment

/// How whole an answer of a cluster is.
package struct AnswerCoverage: Equatable, Sendable {
  /// Slots that were asked.
  package private(set) var slots: Int
  /// Those of them on which as many replicas agreed as were asked for.
  package private(set) var wholeSlots: Int
  /// The replicas that agreed on a slot, of the slot where they were the fewest.
  package private(set) var agreed: Int
  /// The replicas that a slot has, of the slot that has the most.
  package private(set) var replicas: Int
  /// Whether something may be missing.
  package private(set) var isPartial: Bool
  /// The first and the last hour that was read, since 1970; nil for an end that is open.
  private var hours: (first: Int64?, last: Int64?)

  /// Of the header `Needletail-Coverage`, such as `slots=1024/1024 replicas=2/3 partial=false windows=490123..490130`;
  /// nil where it is none.
  package init?(header: String) {
    var values: [Substring: Substring] = [:]
    for part in header.split(separator: " ") {
      let pair = part.split(separator: "=", maxSplits: 1)
      if pair.count == 2 { values[pair[0]] = pair[1] }
    }
    func counts(_ name: Substring) -> (of: Int, all: Int)? {
      guard let parts = values[name]?.split(separator: "/"), parts.count == 2, let of = Int(parts[0]),
        let all = Int(parts[1]), 0 <= of, of <= all
      else { return nil }
      return (of, all)
    }
    guard let slots = counts("slots"), let replicas = counts("replicas"), let isPartial = values["partial"] else {
      return nil
    }
    (wholeSlots, self.slots) = slots
    (agreed, self.replicas) = replicas
    self.isPartial = isPartial == "true"
    let ends = values["windows"].map { $0.components(separatedBy: "..") } ?? []
    hours = ends.count == 2 ? (Self.hour(ends[0]), Self.hour(ends[1])) : (nil, nil)
  }

  /// An hour of which nanoseconds can be told.
  private static func hour(_ text: String) -> Int64? {
    Int64(text).flatMap { $0.magnitude < 2_500_000 ? $0 : nil }
  }

  /// Makes this the coverage of both answers: that of the one of which less is whole.
  package mutating func merge(_ other: AnswerCoverage) {
    if other.missing > missing { (slots, wholeSlots) = (other.slots, other.wholeSlots) }
    agreed = min(agreed, other.agreed)
    replicas = max(replicas, other.replicas)
    isPartial = isPartial || other.isPartial
    func both(_ one: Int64?, _ other: Int64?, _ choose: (Int64, Int64) -> Int64) -> Int64? {
      one.flatMap { one in other.map { choose(one, $0) } }
    }
    hours = (both(hours.first, other.hours.first, min), both(hours.last, other.hours.last, max))
  }

  private var missing: Double { slots == 0 ? 0 : Double(slots - wholeSlots) / Double(slots) }

  /// In words, for people.
  package var text: String {
    "\(wholeSlots) of \(slots) slots whole, each read from at least \(agreed) of \(replicas) replicas"
      + (isPartial ? ": incomplete" : "")
  }

  /// The hours that were read, in words; nil where both ends are open.
  package func window(_ zone: TimeText.Zone) -> String? {
    func time(_ hour: Int64) -> String { TimeText.full(nanoseconds: hour * 3_600_000_000_000, zone) }
    let parts = [hours.first.map { "from " + time($0) }, hours.last.map { "until " + time($0 + 1) }].compactMap { $0 }
    return parts.isEmpty ? nil : parts.joined(separator: " ")
  }

  package static func == (one: AnswerCoverage, other: AnswerCoverage) -> Bool {
    (one.slots, one.wholeSlots, one.agreed, one.replicas, one.isPartial)
      == (other.slots, other.wholeSlots, other.agreed, other.replicas, other.isPartial) && one.hours == other.hours
  }
}

/// Gathers how whole the answers to several questions are.
final class CoverageNotes: Sendable {
  private let state = Lock<AnswerCoverage?>(nil)

  /// Of all answers together; nil where none told.
  var coverage: AnswerCoverage? { state.withLock { $0 } }

  func note(_ coverage: AnswerCoverage) {
    state.withLock { state in
      if state == nil { state = coverage } else { state?.merge(coverage) }
    }
  }
}
