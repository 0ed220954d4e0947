import NeedletailQueryLanguage
import NeedletailTelemetry

/// Which info series `info` looks for, and which of their labels it takes.
struct InfoSelector {
  /// The labels by which a series and an info series belong together.
  static let identifying = ["instance", "job"].map { Array($0.utf8) }

  /// The conditions on info series, their names' included.
  let matchers: [MatcherSyntax]
  /// Whether a series stays where no info series is found.
  let allowsNone: Bool
  private let nameMatchers: [LabelMatcher]
  /// The only labels that are taken; all where this is empty.
  private let taken: Set<String>

  /// Of the second argument, where there is one.
  init(_ argument: Expression?) throws {
    var matchers: [MatcherSyntax] = []
    if case .selector(let selector)? = argument?.node { matchers = selector.matchers }
    let data = matchers.filter { $0.name != LabelSet.nameLabel }
    let names = matchers.filter { $0.name == LabelSet.nameLabel }
    let span = argument?.span ?? SourceSpan(start: 0, end: 0)
    if names.isEmpty {
      matchers.append(MatcherSyntax(name: LabelSet.nameLabel, operation: .equal, value: "target_info", span: span))
    } else if names.allSatisfy({ $0.operation == .notEqual || $0.operation == .notMatches }) {
      // Saying which are not meant does not make every series one that informs.
      matchers.append(MatcherSyntax(name: LabelSet.nameLabel, operation: .matches, value: ".+_info", span: span))
    }
    self.matchers = matchers
    nameMatchers = try matchers.filter { $0.name == LabelSet.nameLabel }.map { try Self.compiled($0) }
    allowsNone = try data.allSatisfy { try Self.compiled($0).matchesEmpty }
    taken = Set(data.map(\.name))
  }

  private static func compiled(_ matcher: MatcherSyntax) throws -> LabelMatcher {
    do {
      return try LabelMatcher(matcher)
    } catch {
      throw QueryError(.badData, "\(error)")
    }
  }

  /// Whether a series is given labels: those that are info series themselves are not.
  func joins(_ labels: LabelSet) -> Bool {
    let name = labels.metricName ?? ""
    return !nameMatchers.allSatisfy { $0.matches(name) }
  }

  /// Whether a label of an info series is taken over; what describes the info metric itself never is.
  func takes(_ name: String) -> Bool {
    switch name {
    case LabelSet.nameLabel, "__type__", "__unit__": false
    default: taken.isEmpty || taken.contains(name)
    }
  }

  /// Conditions that hold for all info series that belong to one of these keys; nil where all keys are empty.
  ///
  /// They only save reading: where there are very many keys they say less.
  static func matchers(of keys: [LabelSet], span: SourceSpan) -> [MatcherSyntax]? {
    let keys = Set(keys.lazy.filter { !$0.isEmpty })
    guard !keys.isEmpty else { return nil }
    return ["instance", "job"].compactMap { name in
      let values = Set(keys.map { $0[name] ?? "" }).sorted()
      if values.count == 1 { return MatcherSyntax(name: name, operation: .equal, value: values[0], span: span) }
      guard values.count <= valuesMax else { return nil }
      let pattern = values.map(escaped).joined(separator: "|")
      return MatcherSyntax(name: name, operation: .matches, value: pattern, span: span)
    }
  }

  private static let valuesMax = 256

  /// A regular expression that matches nothing but this text.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if "\\.+*?()|[]{}^$".unicodeScalars.contains(scalar) { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result
  }
}
