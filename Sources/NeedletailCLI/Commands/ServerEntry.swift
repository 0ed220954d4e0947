import Logging
import NeedletailEnvironment
import NeedletailNode
import ServiceLifecycle

/// The one place where the command line meets the server of NeedletailNode.
enum ServerEntry {
  /// Merges the settings and runs the server until it is told to stop; with `printOnly`, prints the settings instead.
  static func run(
    flags: [String: String], environment: [String: String], file: String?, printOnly: Bool
  ) async throws {
    let configuration: ServerConfiguration
    do {
      configuration = try ServerConfiguration.load(flags: flags, environment: environment, file: file)
    } catch {
      throw CommandFailure(message: error.description, code: error.isUnreadable ? 1 : CommandFailure.usageCode)
    }
    if printOnly { return Console.printExactly(configuration.rendered()) }
    PrivateFiles.enforce()
    if configuration.triesHugePages, case .left(let reason) = ProgramText.moveToHugePages() {
      var logger = Logger(label: "needletail", factory: { LogfmtHandler(label: $0) })
      logger.logLevel = Logger.Level(rawValue: configuration.logLevel) ?? .info
      logger.debug("the program's code stays on small pages: \(reason)")
    }
    var logger = Logger(label: "needletail", factory: { LogfmtHandler(label: $0) })
    // What the group says at info is of no use to an operator; the server tells what it does itself.
    logger.logLevel = .warning
    var group = ServiceGroupConfiguration(
      services: [NeedletailServer(configuration: configuration, version: VersionCommand.version)],
      gracefulShutdownSignals: [.sigterm, .sigint],
      logger: logger)
    group.maximumGracefulShutdownDuration = .seconds(5)
    try await ServiceGroup(configuration: group).run()
  }
}
