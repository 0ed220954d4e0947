import ArgumentParser
import Foundation
import NeedletailTerminal

/// The command `needletail`: thin commands over the other rooms.
@main
struct Needletail: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "needletail",
    abstract: "Metrics, traces and logs: one server, one language, one terminal.",
    discussion: """
      EXAMPLES
        needletail demo
        needletail serve --data ./needletail-data
        needletail query 'sum by (job) (rate(requests_total[5m]))'
        needletail logs '{service_name="cart"} |= "timeout"' --since 1h
        needletail traces --tags status=error --since 1h
        needletail dash
        needletail storage verify ./needletail-data
        needletail cluster up --nodes 5
        needletail doctor

      EXIT CODES
        0   it worked
        1   the server could not be reached or refused, also a query that is wrong,
            or what was asked for does not exist
        64  the command line or a setting is wrong
      """,
    version: VersionCommand.text,
    subcommands: [
      ServeCommand.self, QueryCommand.self, LogsCommand.self, TracesCommand.self, TraceCommand.self,
      LabelsCommand.self, SeriesCommand.self, DashCommand.self, DemoCommand.self, StorageCommand.self,
      ClusterCommand.self, DoctorCommand.self, VersionCommand.self, SuperviseCommand.self,
    ])

  static func main() async {
    // A reader that goes away, such as `head`, shows as an error of write(2) instead of as a signal.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot(settingExpressionApart(Array(CommandLine.arguments.dropFirst())))
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      end(with: error)
    }
  }

  /// The arguments with an expression that begins with a minus, such as `needletail query -1`, where it is not taken for
  /// an option.
  static func settingExpressionApart(_ arguments: [String]) -> [String] {
    guard arguments.count > 1, arguments[0] == QueryCommand._commandName, arguments[1].hasPrefix("-"),
      arguments[1].count > 1, !arguments[1].hasPrefix("--"), arguments[1] != "-h"
    else { return arguments }
    return arguments.prefix(1) + arguments.dropFirst(2) + ["--", arguments[1]]
  }

  private static func end(with error: any Error) -> Never {
    switch error {
    case let failure as CommandFailure:
      Console.complain(failure.message)
      Foundation.exit(failure.code)
    case let failure as APIFailure:
      Console.complain(failure.description)
      Foundation.exit(1)
    default:
      let code = exitCode(for: error)
      let message = fullMessage(for: error)
      if code.isSuccess {
        if !message.isEmpty { Console.print(message) }
        Foundation.exit(0)
      }
      if error is ExitCode { Foundation.exit(code.rawValue) }
      guard code == .validationFailure else {
        Console.complain("\(error)")
        Foundation.exit(1)
      }
      Console.complain(usageComplaint(error, arguments: Array(CommandLine.arguments.dropFirst())))
      Foundation.exit(CommandFailure.usageCode)
    }
  }

  /// What is said of a wrong command line, in one line: the reason, and whose help tells more.
  static func usageComplaint(_ error: any Error, arguments: [String]) -> String {
    var words = [_commandName]
    var command: any ParsableCommand.Type = Self.self
    for argument in arguments {
      guard let next = command.configuration.subcommands.first(where: { $0._commandName == argument }) else { break }
      words.append(argument)
      command = next
    }
    var reason = message(for: error).split(whereSeparator: \.isNewline).joined(separator: " ")
    if reason.hasSuffix(".") { reason.removeLast() }
    return "\(reason.isEmpty ? "a command is missing" : reason); see '\(words.joined(separator: " ")) --help'"
  }
}

/// A command cannot do what it was asked: what, where and what to do about it.
struct CommandFailure: Error, Equatable {
  /// The status of a process whose command line or settings are wrong, as sysexits.h has it.
  static let usageCode: Int32 = 64

  var message: String
  var code: Int32 = 1
}
