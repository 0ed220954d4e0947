import ArgumentParser
import NeedletailDashboard
import Foundation

/// How a list is printed.
enum ListFormat: String, CaseIterable, ExpressibleByArgument {
  case table, json, csv
}

/// How what a tool did is printed.
enum ReportFormat: String, CaseIterable, ExpressibleByArgument {
  case table, json
}

/// How numbers over time are printed.
enum QueryFormat: String, CaseIterable, ExpressibleByArgument {
  case table, graph, json, csv
}

/// Which server is asked, and as whom.
struct ConnectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The server. [env: NEEDLETAIL_SERVER] (default: http://127.0.0.1:7070)", valueName: "url"))
  var server: String?

  @Option(help: ArgumentHelp("The tenant, sent as X-Scope-OrgID. [env: NEEDLETAIL_TENANT]", valueName: "name"))
  var tenant: String?

  @Option(
    help: ArgumentHelp(
      "A file whose first line is the bearer token. [env: NEEDLETAIL_CLIENT_TOKEN_FILE]", valueName: "file"))
  var tokenFile: String?

  @Option(
    help: ArgumentHelp(
      "PEM file with the certificates to trust, instead of those of the system. [env: NEEDLETAIL_CA_FILE]",
      valueName: "file"))
  var caFile: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How long to wait for an answer, such as 30s.", valueName: "duration"))
  var timeout = "120s"

  static let defaultServer = "http://127.0.0.1:7070"

  func validate() throws {
    guard let nanoseconds = TimeSpan.nanoseconds(timeout), nanoseconds > 0 else {
      throw ValidationError("--timeout '\(timeout)' is not a duration above zero; write it as 30s or 2m")
    }
    _ = try ServerURL(url)
  }

  private var url: String { server ?? Console.environment["NEEDLETAIL_SERVER"] ?? Self.defaultServer }

  /// - Parameter reading: how sure the answers have to be; nil where they are none of what is stored.
  func client(_ reading: ReadingOptions? = nil) throws -> APIClient {
    var token: String?
    if let path = tokenFile ?? Console.environment["NEEDLETAIL_CLIENT_TOKEN_FILE"] {
      guard let text = try? String(contentsOfFile: path, encoding: .utf8),
        let line = text.split(whereSeparator: \.isNewline).first
      else {
        throw CommandFailure(message: "cannot read a token from \(path): give a file whose first line is the token")
      }
      token = String(line)
    }
    var client = APIClient(
      server: try ServerURL(url), tenant: tenant ?? Console.environment["NEEDLETAIL_TENANT"], token: token,
      trust: try (caFile ?? Console.environment["NEEDLETAIL_CA_FILE"]).map { try TrustedCertificates(file: $0) },
      timeoutNanoseconds: TimeSpan.nanoseconds(timeout) ?? 120_000_000_000, standing: reading?.parameters ?? [])
    if reading?.coverage == true {
      let zone: TimeText.Zone = Console.isLocalTime ? .local : .utc
      client.tell = { coverage in
        Console.complain(
          [coverage.text, coverage.window(zone)].compactMap { $0 }.joined(separator: ", "), prefix: "coverage: ")
      }
    }
    return client
  }
}

/// How sure an answer of a cluster has to be; a single server takes no notice of it.
struct ReadingOptions: ParsableArguments {
  enum Consistency: String, CaseIterable, ExpressibleByArgument { case one, quorum, all }

  enum Partial: String, CaseIterable, ExpressibleByArgument { case allow, deny }

  @Option(help: "In a cluster: how many replicas have to agree on an answer. (default: quorum)")
  var consistency: Consistency?

  @Option(help: "In a cluster: whether an answer may lack what cannot be read now, and says so. (default: deny)")
  var partial: Partial?

  @Flag(help: "In a cluster: tell on standard error how whole each answer is.")
  var coverage = false

  /// As the server's API has them.
  var parameters: [(String, String)] {
    [("consistency", consistency?.rawValue), ("partial", partial?.rawValue)].compactMap { name, value in
      value.map { (name, $0) }
    }
  }
}

/// Which time is asked about.
struct TimeOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The begin: RFC 3339, unix seconds, now-1h, or 1h for so long ago.", valueName: "time"))
  var start: String?

  @Option(help: ArgumentHelp("The end, in the same forms. (default: now)", valueName: "time"))
  var end: String?

  @Option(
    help: ArgumentHelp(
      "The begin as a duration before the end, such as 15m. (default: 1h; of labels and series: 1d)",
      valueName: "duration"))
  var since: String?

  var isGiven: Bool { start != nil || end != nil || since != nil }

  /// Unix nanoseconds; `span` is how far back to look when nothing is said.
  func range(now: Int64, span: String = "1h") throws -> (start: Int64, end: Int64) {
    let end = try Self.instant(end ?? "now", "--end", now: now)
    if start != nil && since != nil { throw ValidationError("--start and --since both say when to begin; give one") }
    if let start {
      let begin = try Self.instant(start, "--start", now: now)
      guard begin < end else { throw ValidationError("--start '\(start)' is not before --end") }
      return (begin, end)
    }
    let text = since ?? span
    guard let length = TimeSpan.nanoseconds(text), length > 0 else {
      throw ValidationError("--since '\(text)' is not a duration; write it as 15m, 1h30m or 7d")
    }
    let (begin, overflow) = end.subtractingReportingOverflow(length)
    guard !overflow else { throw ValidationError("--since '\(text)' reaches back too far") }
    return (begin, end)
  }

  static func instant(_ text: String, _ option: String, now: Int64) throws -> Int64 {
    guard let instant = Instant.nanoseconds(text, now: now) else {
      throw ValidationError(
        "\(option) '\(text)' is not a time; write 2026-11-22T15:04:05Z, unix seconds, now-1h, or 1h for so long ago")
    }
    return instant
  }
}

/// The clock of the command line.
enum WallClock {
  /// Unix nanoseconds.
  static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
