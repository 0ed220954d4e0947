import ArgumentParser
import Testing

@testable import NeedletailCLI

private let second: Int64 = 1_000_000_000

@Suite("Times on the command line")
struct InstantTests {
  private static let now: Int64 = 1_700_000_000 * second

  private static let cases: [(String, Int64)] = [
    ("now", now), ("now-1h", now - 3_600 * second), ("now+5m", now + 300 * second), ("1h30m", now - 5_400 * second),
    ("-15m", now - 900 * second), ("1700000000", now), ("1700000000.123456789", now + 123_456_789),
    ("2023-11-14T22:13:20Z", now), ("2023-11-14T23:13:20.5+01:00", now + second / 2),
    ("2023-11-14", 1_699_920_000 * second),
    ("2023-11-14T22:13", 1_699_999_980 * second), ("1969-12-31T23:59:59Z", -second), ("0", 0),
    ("2024-02-29 00:00:00Z", 1_709_164_800 * second),
  ]

  @Test(
    "are RFC 3339, unix seconds, now with an offset, or so long ago",
    arguments: cases)
  func accepted(text: String, expected: Int64) {
    #expect(Instant.nanoseconds(text, now: Self.now) == expected)
  }

  @Test(
    "anything else is refused",
    arguments: [
      "", "yesterday", "now-", "now-x", "2023-13-01", "2023-02-29", "2023-11-14T25:00:00Z", "2023-11-14T22:13:20+1",
      "2023-11-14T22:13:20Zx", "99999999999999999999", "1e9", "nan", "0x10", "1.2.3", "9999999999999h", "-", ".",
      "9999-12-31", "２０２３-11-14",
    ])
  func refused(text: String) {
    #expect(Instant.nanoseconds(text, now: Self.now) == nil)
  }
}

@Suite("Spans of time on the command line")
struct TimeSpanTests {
  private static let cases: [(String, Int64)] = [
    ("90s", 90 * second), ("1h30m", 5_400 * second), ("500ms", second / 2), ("1.5h", 5_400 * second),
    ("15", 15 * second),
    ("7d", 604_800 * second), ("2w", 1_209_600 * second), ("10us", 10_000), ("3ns", 3),
  ]

  @Test(
    "are numbers with units, or seconds",
    arguments: cases)
  func accepted(text: String, expected: Int64) {
    #expect(TimeSpan.nanoseconds(text) == expected)
  }

  @Test(
    "anything else is refused", arguments: ["", "h", "1x", "1h30", "-5m", "1e5s", "999999y", "1..5h", "inf", " 5m"])
  func refused(text: String) {
    #expect(TimeSpan.nanoseconds(text) == nil)
  }
}

@Suite("Commands")
struct CommandTests {
  @Test(
    "every command has examples in its help",
    arguments: [
      "serve", "query", "logs", "traces", "trace", "labels", "series", "dash", "demo", "storage", "cluster", "version",
    ])
  func examples(name: String) throws {
    let command = Needletail.configuration.subcommands.first { $0._commandName == name }
    #expect(try #require(command).configuration.discussion.contains("EXAMPLES"))
  }

  private static let wrong: [([String], String)] = [
    (["query", "up", "down"], "down"), (["query", "up", "--server", "ftp://x"], "http://127.0.0.1:7070"),
    (["query", "up", "--time", "1", "--step", "5m"], "--time"), (["logs", "--output", "graph"], "'csv'"),
    (["logs", "--limit", "0"], "--limit"), (["logs", "--limit", "-5"], "--limit -5 is not between 1 and 50000"),
    (["traces", "--limit", "-5"], "--limit -5 is not between 1 and 1000"),
    (["query", "up", "--timeout", "0s"], "--timeout '0s' is not a duration above zero"),
    (["query", "up", "--timeout", "-1s"], "--timeout '-1s'"),
    (["traces", "--min-duration", "100"], "--min-duration '100' has no unit; write 100ms or 100s"),
    (["logs", "payment"], #"{service_name=~".+"} |= "payment"'"#), (["trace", "xyz"], "hexadecimal"),
    (["traces", "--min-duration", "x"], "500ms"),
    (["dash", "--refresh", "1ms"], "100ms"), (["demo", "--seconds", "0"], "--seconds"), (["nothing"], "nothing"),
  ]

  @Test(
    "a wrong command line is refused with a reason",
    arguments: wrong)
  func refused(arguments: [String], reason: String) {
    do {
      _ = try Needletail.parseAsRoot(arguments)
      Issue.record("accepted")
    } catch {
      #expect(Needletail.exitCode(for: error) == .validationFailure)
      #expect(Needletail.fullMessage(for: error).contains(reason))
    }
  }

  @Test(
    "every command lists and takes the formats that it can print",
    arguments: ["logs", "traces", "labels", "series a", "trace ab"])
  func formats(command: String) throws {
    let words = command.split(separator: " ").map(String.init)
    #expect(throws: (any Error).self) { try Needletail.parseAsRoot(words + ["--output", "graph"]) }
    for format in ["table", "json", "csv"] {
      #expect(throws: Never.self) { try Needletail.parseAsRoot(words + ["--output", format]) }
    }
    let type = try #require(Needletail.configuration.subcommands.first { $0._commandName == words[0] })
    #expect(!Needletail.helpMessage(for: type, columns: 80).contains("graph"))
    #expect(throws: Never.self) { try Needletail.parseAsRoot(["query", "up", "--output", "graph"]) }
  }

  @Test("no example is broken in the middle by the help of a window of 80 columns")
  func exampleWidth() {
    for type in [Needletail.self] + Needletail.configuration.subcommands {
      let lines = type.configuration.discussion.split(separator: "\n", omittingEmptySubsequences: false)
      let help = Needletail.helpMessage(for: type, columns: 80).split(separator: "\n")
      for line in lines.drop(while: { $0 != "EXAMPLES" }) where !line.isEmpty {
        #expect(help.contains { $0.hasSuffix(line) }, "\(type): \(line)")
      }
    }
  }

  @Test(
    "what is said of a wrong command line is one line, with the reason and whose help tells more, and no usage",
    arguments: wrong)
  func complaint(arguments: [String], reason: String) {
    #expect {
      _ = try Needletail.parseAsRoot(arguments)
    } throws: { error in
      let text = Needletail.usageComplaint(error, arguments: arguments)
      let isKnown = Needletail.configuration.subcommands.contains { $0._commandName == arguments[0] }
      return text.contains(reason) && !text.contains("\n") && !text.contains("USAGE") && !text.contains("Usage")
        && text.hasSuffix(isKnown ? "see 'needletail \(arguments[0]) --help'" : "see 'needletail --help'")
    }
  }

  @Test(
    "an expression that begins with a minus is taken for one right behind 'query', with and without what follows",
    arguments: [
      (["query", "-1"], "-1"), (["query", "-(a + b)", "--output", "csv"], "-(a + b)"),
      (["query", "-up", "--explain"], "-up"),
      (["query", "--explain", "up"], "up"), (["query", "--", "-1"], "-1"),
    ])
  func minus(arguments: [String], expression: String) throws {
    let command = try Needletail.parseAsRoot(Needletail.settingExpressionApart(arguments))
    #expect((command as? QueryCommand)?.expression == expression)
    for unchanged in [["query", "-h"], ["query", "--help"], ["query"], ["logs", "-1"]] {
      #expect(Needletail.settingExpressionApart(unchanged) == unchanged)
    }
  }

  @Test("a file of certificates that is not there, or holds none, is named")
  func certificates() throws {
    let path = "/nowhere/ca.pem"
    let options = try ConnectionOptions.parse(["--server", "https://127.0.0.1:1", "--ca-file", path])
    #expect { try options.client() } throws: { ($0 as? CommandFailure)?.message.contains(path) ?? false }
    #expect { try TrustedCertificates(file: "/dev/null") } throws: { $0 is CommandFailure }
  }

  @Test("every command that takes --since names its default")
  func sinceDefault() {
    for type in Needletail.configuration.subcommands {
      let words = Needletail.helpMessage(for: type, columns: 80).split(whereSeparator: \.isWhitespace)
      guard let index = words.firstIndex(of: "--since"), words.contains("<duration>") else { continue }
      let described = words[index...].drop { $0 != "<duration>" }.prefix(24)
      #expect(described.contains("(default:"), "\(type): \(described)")
    }
  }

  @Test("--version prints what version prints, here and for every command")
  func version() throws {
    for arguments in [["--version"], ["query", "--version"]] {
      #expect {
        _ = try Needletail.parseAsRoot(arguments)
      } throws: { error in
        Needletail.exitCode(for: error).isSuccess && Needletail.fullMessage(for: error) == VersionCommand.text
      }
    }
  }

  @Test("logs and spans without braces are hinted at, and nothing else is")
  func bareSelectors() {
    for bare in ["rate(logs[5m])", "sum(rate( spans [5m]))", "logs", "a{x=\"{\"} + spans"] {
      #expect(EventSelectorHint.text(for: bare)?.contains("without braces") == true, "\(bare)")
    }
    for fine in [
      "rate(logs{}[5m])", "logs {a=\"b\"}", "up{a=\"logs\"}", "catalogs", "spans_total", "sum by (job) (up)", "'logs'",
    ] {
      #expect(EventSelectorHint.text(for: fine) == nil, "\(fine)")
    }
  }

  @Test("the range of a query needs a begin before its end")
  func ranges() throws {
    let now = 1_700_000_000 * second
    func range(_ arguments: String...) throws -> (start: Int64, end: Int64) {
      try TimeOptions.parse(arguments).range(now: now)
    }
    #expect(try range() == (now - 3_600 * second, now))
    #expect(try range("--since", "15m", "--end", "now-1h") == (now - 4_500 * second, now - 3_600 * second))
    #expect(try range("--start", "2h") == (now - 7_200 * second, now))
    #expect(throws: ValidationError.self) { try range("--start", "now+1h") }
    #expect(throws: ValidationError.self) { try range("--start", "2h", "--since", "1h") }
    #expect(throws: ValidationError.self) { try range("--since", "300y", "--end", "1700-01-01") }
  }

  @Test(
    "the server is asked for durations in the one unit that it surely knows",
    arguments: [
      ("5s", "5000000000ns"), ("1w", "604800000000000ns"), ("1y", "31536000000000000ns"), ("500ms", "500000000ns"),
    ])
  func minimumDuration(text: String, sent: String) throws {
    let command = try #require(try Needletail.parseAsRoot(["traces", "--min-duration", text]) as? TracesCommand)
    let parameters = APIClient.parameters(of: command.search(in: (0, 1), limit: 50))
    #expect(parameters.first { $0.0 == "minDuration" }?.1 == sent)
    let all = try #require(try Needletail.parseAsRoot(["traces"]) as? TracesCommand)
    #expect(!APIClient.parameters(of: all.search(in: (0, 1), limit: 50)).contains { $0.0 == "minDuration" })
  }

  @Test("only what was given reaches the server's settings")
  func serveFlags() throws {
    let command = try #require(
      try Needletail.parseAsRoot(["serve", "--data", "/x", "--otlp-grpc", "off", "--insecure"]) as? ServeCommand)
    #expect(command.flags == ["data": "/x", "otlp-grpc": "off", "insecure": "true"])
  }
}

@Suite("The address of a server") struct ServerURLTests {
  @Test(
    "with a port that there is none, or no host, is refused",
    arguments: [
      "http://h:65536", "http://h:99999", "http://h:0", "http://h:-1", "http://h:", "http://h:abc", "http://:7070",
      "http://h:18446744073709551616", "http://[::1", "http://[::1]:99999", "http://::1:7070", "http://a:1:2", "h:7070",
      "http://", "http://u@h", "http://h?x",
    ])
  func refused(text: String) {
    #expect(throws: (any Error).self) { try ServerURL(text) }
    #expect(throws: (any Error).self) { try Needletail.parseAsRoot(["labels", "--server", text]) }
  }

  @Test(
    "has a host, and may have a port and a path", arguments: ["http://h", "https://h:65535/p/q:1", "http://[::1]:7070"])
  func taken(text: String) throws {
    #expect(try ServerURL(text + "/").text == text)
  }
}

@Suite("How sure an answer has to be")
struct ReadingOptionsTests {
  @Test("is asked of the server in every question, where it is said")
  func parameters() throws {
    let plain = try LabelsCommand.parse([])
    #expect(
      try plain.connection.client(plain.reading).url("/a", [("b", "c d")]) == "http://127.0.0.1:7070/a?b=c%20d")
    let sure = try QueryCommand.parse(["up", "--consistency", "all", "--partial", "allow"])
    #expect(
      try sure.connection.client(sure.reading).url("/a", [("b", "c")])
        == "http://127.0.0.1:7070/a?b=c&consistency=all&partial=allow")
  }

  @Test("is one of the words that there are", arguments: [["--consistency", "some"], ["--partial", "yes"]])
  func refused(words: [String]) {
    #expect(throws: (any Error).self) { try LogsCommand.parse(["{}"] + words) }
  }
}
