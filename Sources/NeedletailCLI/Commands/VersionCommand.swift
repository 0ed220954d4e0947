import ArgumentParser

/// `needletail version`.
struct VersionCommand: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version.",
    discussion: """
      EXAMPLES
        needletail version
      """)

  func run() {
    Console.print("needletail \(Self.version)")
  }
}
