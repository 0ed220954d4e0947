import ArgumentParser

/// `needletail version`.
struct VersionCommand: ParsableCommand {
  static let version = "0.1.0"
  /// What the command and `--version` print.
  static let text = "needletail \(version)"

  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version.",
    discussion: """
      EXAMPLES
        needletail version
        needletail --version
      """)

  func run() {
    Console.print(Self.text)
  }
}
