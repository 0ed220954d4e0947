import NeedletailDashboard
import NeedletailTerminal

/// How a query would be carried out, as lines: the parts of the expression, and what is read for them.
struct PlanOutput {
  private struct Read {
    var matchers: [String]
    var start: Int64
    var end: Int64
    var reach: Int64
    var function: String?
    var labels: [String]?
    var tasks: Int64
  }

  private let expression: String
  private let type: String
  private let cache: String
  private let start: Int64
  private let end: Int64
  private let interval: Int64
  private let count: Int64
  private let nodes: [(depth: Int, text: String, read: Int?)]
  private let reads: [Read]

  /// Takes an answer of the server's apart.
  init(_ body: [UInt8], path: String) throws {
    let data = try Answers.data(body, path: path)
    guard let expression = data["expression"]?.string, let type = data["type"]?.string, let steps = data["steps"],
      let start = steps["start"]?.integer, let end = steps["end"]?.integer,
      let interval = steps["interval"]?.integer, let count = steps["count"]?.integer
    else { throw APIFailure.malformed(path: path, reason: "no plan") }
    (self.expression, self.type, cache) = (expression, type, data["cache"]?.string ?? "off")
    (self.start, self.end, self.interval, self.count) = (start, end, interval, count)
    nodes = (data["nodes"]?.array ?? []).map { node in
      (
        min(1_000, Int(clamping: node["depth"]?.integer ?? 0)), node["text"]?.string ?? "",
        node["read"]?.integer.map { Int(clamping: $0) }
      )
    }
    reads = (data["reads"]?.array ?? []).map { read in
      Read(
        matchers: (read["matchers"]?.array ?? []).compactMap(\.string), start: read["start"]?.integer ?? 0,
        end: read["end"]?.integer ?? 0, reach: read["reach"]?.integer ?? 0, function: read["function"]?.string,
        labels: read["labels"].map { $0.array.compactMap(\.string) }, tasks: read["tasks"]?.integer ?? 1)
    }
  }

  func lines(_ zone: TimeText.Zone) -> [StyledText] {
    var lines = [StyledText(TerminalText(expression, limit: .max), .bold)]
    let times =
      interval == 0
      ? "at \(time(start, zone))"
      : "\(count) steps of \(length(interval)) from \(time(start, zone)) to \(time(end, zone))"
    lines.append(line("\(type), \(times)"))
    if interval != 0 { lines.append(line("kept steps: \(cacheText)")) }
    lines.append(line(""))
    for node in nodes {
      var text = StyledText(TerminalText(String(repeating: "  ", count: node.depth) + node.text, limit: .max))
      if let read = node.read { text.append(TerminalText("  <- read \(read + 1)"), .faint) }
      lines.append(text)
    }
    for (index, read) in reads.enumerated() { lines += self.lines(of: read, index + 1, zone) }
    return lines
  }

  private var cacheText: String {
    switch cache {
    case "used": "used where nothing has changed since"
    case "one step": "none, there is one step"
    case "off": "not used"
    default: "not used, \(cache)"
    }
  }

  private func lines(of read: Read, _ number: Int, _ zone: TimeText.Zone) -> [StyledText] {
    var facts = [
      ("samples", "\(time(read.start, zone)) to \(time(read.end, zone))"), ("reach", "\(length(read.reach)) a step"),
    ]
    if let function = read.function { facts.append(("for", function)) }
    let labels = read.labels.map { $0.isEmpty ? "none" : $0.joined(separator: ", ") + ", no others" } ?? "all"
    facts.append(("labels", labels))
    facts.append(("tasks", read.tasks == 1 ? "1" : "up to \(read.tasks), where it finds many series"))
    return [
      line(""), StyledText(TerminalText("read \(number): {\(read.matchers.joined(separator: ", "))}", limit: .max)),
    ]
      + facts.map { name, value in
        line("  \(name)\(String(repeating: " ", count: max(1, 9 - name.count)))\(value)")
      }
  }

  private func line(_ text: String) -> StyledText { StyledText(TerminalText(text, limit: .max)) }

  private func time(_ milliseconds: Int64, _ zone: TimeText.Zone) -> String {
    let (nanoseconds, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
    return overflow ? "\(milliseconds) ms" : TimeText.full(nanoseconds: nanoseconds, zone)
  }

  /// A length of time as queries spell it, exact.
  private func length(_ milliseconds: Int64) -> String {
    let units: [(String, UInt64)] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
    var rest = milliseconds.magnitude
    var text = ""
    for (name, size) in units where rest >= size {
      text += "\(rest / size)\(name)"
      rest %= size
    }
    return text.isEmpty ? "0s" : (milliseconds < 0 ? "-" : "") + text
  }
}
