import Testing

/// What may not stand in the code, where, and what to use instead. The floors are those of ARCHITECTURE.md.
struct Ban: CustomStringConvertible, Sendable {
  let pattern: String
  let instead: String
  /// The targets in which it is banned; nil: all of them.
  var targets: Set<String>?
  /// Those in which it is not.
  var exceptIn: Set<String> = []

  var description: String { pattern }
}

private let lowFloors: Set<String> = [
  "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailOTLP", "NeedletailWire", "NeedletailBlocks",
  "NeedletailQueryLanguage", "NeedletailCluster", "NeedletailSeries", "NeedletailEvents", "NeedletailQueryEngine",
  "NeedletailTerminal",
]

private let bans: [Ban] = [
  Ban(pattern: #"\btry!"#, instead: "throw, or handle the error where it arises"),
  Ban(pattern: #"\bas!"#, instead: "`as?` and an error"),
  Ban(
    pattern: #"\bfatalError\("#, instead: "a thrown error; `preconditionFailure` for what only a programmer can cause"),
  Ban(
    pattern: #"^\s*(@preconcurrency )?import Foundation(Essentials|Networking)?\b"#,
    instead: "the standard library or NeedletailEnvironment: the low floors build fast, simulate and fuzz without it",
    targets: lowFloors),
  Ban(
    pattern: #"^\s*import NIO"#, instead: "nothing: the low floors decide, they do not do I/O on event loops",
    targets: lowFloors),
  Ban(pattern: #"\bDate\(\)"#, instead: "the clock that was given", targets: lowFloors.union(["NeedletailCollector"])),
  Ban(
    pattern: #"\b(Continuous|Suspending)Clock\b"#, instead: "the clock that was given",
    targets: lowFloors.subtracting(["NeedletailEnvironment"])),
  Ban(
    pattern: #"\bSystemRandomNumberGenerator\b|\.random\(in: [^)]*\)(?!.*using)"#,
    instead: "the random source that was given", targets: lowFloors.subtracting(["NeedletailEnvironment"])),
  Ban(
    pattern: #"\bGlibc\.(open|read|write|rename|unlink|fsync|fdatasync)\("#, instead: "the file system that was given",
    targets: lowFloors.subtracting(["NeedletailEnvironment"])),
  Ban(
    pattern: #"String\(format:"#,
    instead: "interpolation: `String(format:)` costs a microsecond and traps on a wrong format"),
  Ban(pattern: #"\bNSRegularExpression\b|\bRegex<|\btry Regex\("#, instead: "RegularExpression (RE2): linear time"),
  Ban(
    pattern: #"^\s*print\("#, instead: "a logger; only the command line writes to standard output",
    targets: lowFloors.union(["NeedletailCollector", "NeedletailNode", "NeedletailDashboard", "Needletail"])),
  Ban(
    pattern: #"\bMutex\b"#,
    instead: "Lock: it may be used in asynchronous functions, and ThreadSanitizer sees it (make tsan)",
    exceptIn: ["Needletail", "NeedletailEnvironment"]),
  Ban(pattern: #"\bUnsafe\w*Pointer<.*>\(bitPattern:"#, instead: "a typed buffer"),
]

@Suite("Calls that the house bans")
struct BannedCallsTests {
  @Test("No source file uses a banned call", arguments: bans)
  func noSourceUses(_ ban: Ban) throws {
    let pattern = try Regex(ban.pattern)
    for file in Repository.shared.swift(in: "Sources") {
      if let targets = ban.targets, !targets.contains(file.target) { continue }
      if ban.exceptIn.contains(file.target) { continue }
      for (number, line) in file.lines.enumerated() where !isComment(line) {
        let found = line.firstMatch(of: pattern) != nil
        #expect(!found, "\(file.path):\(number + 1): use \(ban.instead)")
      }
    }
  }

  @Test("A test that does several things at once is in a file and a suite that `make tsan` runs")
  func concurrentTestsAreWatched() throws {
    let makefile = try #require(Repository.shared.file("Makefile"))
    let rooms = try #require(makefile.lines.first { $0.hasPrefix("TSAN_ROOMS = ") }).dropFirst("TSAN_ROOMS = ".count)
    let targets = rooms.split(separator: ",").map { "\($0)Tests" }
    #expect(targets.count >= 5)
    for file in Repository.shared.swift(in: "Tests") where targets.contains(file.target) {
      let name = file.path.split(separator: "/").last?.dropLast(".swift".count) ?? ""
      let isConcurrent = file.text.contains(#/\baddTask\b|\bOwnThread\b|\bStandstill\b/#)
      guard isConcurrent || name.hasSuffix("ConcurrencyTests") else { continue }
      #expect(name.hasSuffix("ConcurrencyTests"), "\(file.path): move it to a file called ...ConcurrencyTests.swift")
      #expect(file.text.contains("struct \(name)"), "\(file.path): call its suite \(name)")
    }
  }

  @Test("Every @unchecked Sendable and nonisolated(unsafe) has a comment above it that argues why it is sound")
  func unsafeConcurrencyIsArgued() {
    for file in Repository.shared.swift(in: "Sources") {
      let lines = file.lines
      for (number, line) in lines.enumerated()
      where line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
        let above = lines[max(0, number - 6)..<number]
        #expect(isComment(line) || above.contains(where: isComment), "\(file.path):\(number + 1): say why it is sound")
      }
    }
  }
}

func isComment(_ line: Substring) -> Bool {
  line.drop { $0 == " " }.hasPrefix("//")
}
