/// The one place where the command line meets the server of NeedletailNode.
enum ServerEntry {
  /// Merges the settings and runs the server until it is told to stop; with `printOnly`, prints the settings instead.
  static func run(
    flags: [String: String], environment: [String: String], file: String?, printOnly: Bool
  ) async throws {
    throw CommandFailure(message: "this build holds no server yet; use one that was built with NeedletailNode")
  }
}
