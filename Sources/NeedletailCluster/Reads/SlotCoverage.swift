/// How whole an answer is.
///
/// Coverages of several reads merge into that of all of them; in which order makes no difference, and merging one
/// twice changes nothing.
package struct SlotCoverage: Equatable, Sendable {
  /// Failures that are told, at the most.
  package static let failuresMax = 16

  /// The slots that were asked for.
  package private(set) var asked: SlotSet
  /// Those of them for which fewer ready replicas agreed than were asked for.
  package private(set) var short: SlotSet
  /// Those of them of which nothing at all is in the answer.
  package private(set) var unanswered: SlotSet
  /// Replicas that agreed on a slot, of the slot where they were the fewest.
  package private(set) var agreed: Int
  /// Replicas that a slot has, of the slot that has the most.
  package private(set) var replicas: Int
  /// The windows (hours since 1970) that were read; nil where nothing was.
  package private(set) var windows: ClosedRange<Int64>?
  /// What went wrong on the way, in words, sorted; none twice.
  package private(set) var failures: [String]

  package init(
    asked: SlotSet, short: SlotSet, unanswered: SlotSet, agreed: Int, replicas: Int, windows: ClosedRange<Int64>?,
    failures: [String] = []
  ) {
    self.asked = asked
    self.short = short
    self.unanswered = unanswered
    self.agreed = agreed
    self.replicas = replicas
    self.windows = windows
    self.failures = Array(Set(failures).sorted().prefix(Self.failuresMax))
  }

  /// An answer that may lack something that was acknowledged before it was asked for.
  package var isPartial: Bool { !short.isEmpty }

  /// Makes this the coverage of both.
  package mutating func merge(_ other: SlotCoverage) {
    if other.asked.isEmpty && other.windows == nil { return }
    agreed = asked.isEmpty ? other.agreed : other.asked.isEmpty ? agreed : min(agreed, other.agreed)
    asked.formUnion(other.asked)
    short.formUnion(other.short)
    unanswered.formUnion(other.unanswered)
    replicas = max(replicas, other.replicas)
    windows = Self.hull(windows, other.windows)
    failures = Array(Set(failures + other.failures).sorted().prefix(Self.failuresMax))
  }

  private static func hull(_ one: ClosedRange<Int64>?, _ other: ClosedRange<Int64>?) -> ClosedRange<Int64>? {
    guard let one, let other else { return one ?? other }
    return min(one.lowerBound, other.lowerBound)...max(one.upperBound, other.upperBound)
  }

  /// A short form for a header, such as `slots=1024/1024 replicas=2/3 partial=false windows=490123..490130`.
  ///
  /// An end that is open is left out: `490123..` is all since then.
  package var text: String {
    let ends = [firstHour, lastHour].map { $0.map(String.init) ?? "" }
    let hours = ends.allSatisfy(\.isEmpty) ? "" : " windows=" + ends.joined(separator: "..")
    return "slots=\(whole)/\(asked.count) replicas=\(agreed)/\(replicas) partial=\(isPartial)\(hours)"
  }

  /// How many of the slots that were asked for are whole in the answer.
  package var whole: Int { asked.count - short.count }

  /// The first hour that was read; nil where that was all before, or no time.
  package var firstHour: Int64? { windows.flatMap { Self.known($0.lowerBound) } }

  /// The last hour that was read; nil where that was all after, or no time.
  package var lastHour: Int64? { windows.flatMap { Self.known($0.upperBound) } }

  /// Beyond what nanoseconds can tell no hour was meant.
  private static func known(_ hour: Int64) -> Int64? {
    hour.magnitude < Int64.max.magnitude / 3_600_000_000_000 ? hour : nil
  }
}
