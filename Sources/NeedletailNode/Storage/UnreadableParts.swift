import NeedletailBlocks
import NeedletailQueryEngine

/// Parts that cannot be opened, as they are told to whoever asked for something that they ought to be in.
struct UnreadableParts {
  /// Each with its place and reason.
  let reasons: [String]

  /// Sentences that begin with `consequence`, no more than an answer tells of, and how many others there are.
  func warnings(_ consequence: String) -> [String] {
    let told = reasons.prefix(Coverage.failuresMax).map { "\(consequence): \($0)" }
    let rest = reasons.count - told.count
    return rest == 0 ? told : told + ["\(consequence): " + Counted.text(rest, "other part")]
  }
}

extension NodeStorage {
  /// Those of metrics, logs and spans.
  var unreadableParts: UnreadableParts {
    let events = (logs.unreadableParts + spans.unreadableParts).map { "part \($0.record.id): \($0.error)" }
    return UnreadableParts(reasons: series.unreadableParts.map(\.description) + events)
  }

  /// Those of metrics that are among these.
  func unreadableParts(among parts: Set<PartID>) -> UnreadableParts {
    UnreadableParts(reasons: series.unreadableParts.filter { parts.contains($0.part) }.map(\.description))
  }
}
