import NeedletailQueryLanguage
import NeedletailTerminal

/// One of the completions at a place.
struct QueryChoice: Equatable, Sendable {
  /// What it is found by.
  var title: String
  /// What is written where it is chosen.
  var insertion: String
  /// What it is.
  var detail: String
  /// What it does.
  var summary = ""

  /// The choices at a place, as far as they are known; `answers` tells what the data has, and is told what is missing.
  static func all(
    at completion: Completion, answers: (CompletionQuestion) -> [String]
  ) -> [QueryChoice] {
    var choices: [QueryChoice] = []
    for want in completion.wants {
      switch want {
      case .word(let kind): choices += words(of: kind, completion)
      case .metric:
        let names = answers(.metrics(beginning: completion.prefix))
        choices += matching(names, completion.prefix).map { name in
          QueryChoice(title: name, insertion: completion.insertion(ofName: name, isMetric: true), detail: "metric")
        }
      case .labelName(let selection):
        let names = answers(.labelNames(selector: selection?.selector(), kind: selection?.kind ?? .series))
        choices += matching(names.filter { $0 != "__name__" || completion.quote == nil }, completion.prefix).map {
          name in
          QueryChoice(title: name, insertion: completion.insertion(ofName: name), detail: "label")
        }
      case .labelValue(let name, let selection):
        let values = answers(
          .labelValues(
            of: name, selector: selection.selector(besides: name), beginning: completion.prefix, kind: selection.kind))
        choices += matching(values, completion.prefix).map { value in
          QueryChoice(title: value, insertion: completion.insertion(ofValue: value), detail: "value")
        }
      }
    }
    choices = choices.filter { $0.title == completion.prefix } + choices.filter { $0.title != completion.prefix }
    // What is written already needs no choice.
    return choices.count == 1 && choices[0].insertion == completion.prefix ? [] : choices
  }

  private static func words(of kind: CompletionWord.Kind, _ completion: Completion) -> [QueryChoice] {
    let prefix = completion.prefix.lowercased()
    return CompletionWord.all(kind).filter { $0.text.hasPrefix(prefix) }.map { word in
      QueryChoice(title: word.text, insertion: word.insertion, detail: word.detail, summary: word.summary)
    }
  }

  /// Those that begin so, then those that have it within.
  private static func matching(_ texts: [String], _ prefix: String) -> [String] {
    guard !prefix.isEmpty else { return texts }
    let lower = prefix.lowercased()
    let beginning = texts.filter { $0.lowercased().hasPrefix(lower) }
    return beginning + texts.filter { !$0.lowercased().hasPrefix(lower) && $0.lowercased().contains(lower) }
  }

  /// The lines of a list of choices around the selected one.
  static func lines(_ choices: [QueryChoice], selection: Int?, rows: Int, columns: Int) -> [StyledText] {
    let first = max(0, min((selection ?? 0) - rows / 2, choices.count - rows))
    let shown = choices[first..<min(choices.count, first + rows)]
    let titles = shown.map { TerminalText($0.title, limit: max(8, columns / 2)) }
    let details = shown.map { TerminalText($0.detail, limit: 48) }
    let (titleWidth, detailWidth) = (titles.map(\.width).max() ?? 0, details.map(\.width).max() ?? 0)
    var lines = zip(shown.indices, zip(titles, zip(shown, details))).map { index, row -> StyledText in
      let isSelected = index == selection
      var line = StyledText(isSelected ? "▸ " : "  ", .heading)
      line.append(
        row.0 + TerminalText(" ").repeated(titleWidth - row.0.width),
        isSelected ? Style.bold.with(.reverse) : .plain)
      line.append("  ")
      line.append(row.1.1 + TerminalText(" ").repeated(detailWidth - row.1.1.width), .faint)
      line.append("  ")
      line.append(TerminalText(row.1.0.summary, limit: 120), .faint)
      return line.abbreviated(to: max(1, columns - 1))
    }
    let hidden = choices.count - shown.count
    if hidden > 0 { lines.append(StyledText("  \(hidden) more", .faint).abbreviated(to: max(1, columns - 1))) }
    return lines
  }
}
