import Foundation

/// The queries of earlier prompts, in a file of the user's: `$XDG_STATE_HOME/needletail/queries`, or below
/// `~/.local/state`.
///
/// It is a convenience: what cannot be read or written is done without.
struct QueryHistory {
  private static let bytesMax = 1 << 20
  private let file: URL?

  init(environment: [String: String] = Console.environment) {
    let state =
      environment["XDG_STATE_HOME"].flatMap { $0.hasPrefix("/") ? URL(fileURLWithPath: $0) : nil }
      ?? environment["HOME"].map { URL(fileURLWithPath: $0).appending(path: ".local/state") }
    file = state?.appending(path: "needletail/queries")
  }

  /// The oldest first.
  func load() -> [String] {
    guard let file, let handle = try? FileHandle(forReadingFrom: file) else { return [] }
    defer { try? handle.close() }
    let bytes = (try? handle.read(upToCount: Self.bytesMax)) ?? Data()
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// Puts these queries in place of those that are there; only the user may read them.
  func store(_ queries: [String]) {
    guard let file else { return }
    var bytes = Data()
    for query in queries.reversed() {
      let line = Data((query.replacing("\n", with: " ") + "\n").utf8)
      guard bytes.count + line.count <= Self.bytesMax else { break }
      bytes = line + bytes
    }
    PrivateFiles.enforce()
    try? FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try? bytes.write(to: file, options: .atomic)
  }
}
