import Foundation
import NeedletailProcesses
import Testing

@Suite("The demonstration", .serialized)
struct DemoTests {
  @Test(
    "Without a terminal, demo prints metrics, a graph, an error trace and its logs, and ends well",
    .timeLimit(.minutes(20)))
  func demoWithoutTerminal() throws {
    let base = try FreePorts.base(span: 20)
    let (status, output) = try RunningProcess.run(
      OutsideProgram.needletail, ["demo", "--seconds", "15", "--port-base", String(base)])
    #expect(status == 0, "\(output)")
    for service in ["frontend", "catalogue", "cart", "payment"] { #expect(output.contains(service), "\(output)") }
  }

  @Test("version and every command's help answer without a server")
  func helpIsThere() throws {
    let commands = ["query", "logs", "traces", "trace", "labels", "series", "serve", "demo", "dash", "cluster"]
    for arguments in [["version"], ["--help"]] + commands.map({ [$0, "--help"] }) {
      let (status, output) = try RunningProcess.run(OutsideProgram.needletail, arguments)
      #expect(status == 0, "\(arguments): \(output)")
      #expect(!output.isEmpty)
      if arguments.last == "--help", arguments.count == 2 {
        #expect(output.lowercased().contains("example"), "\(arguments[0]) has no example: \(output)")
      }
    }
  }

  @Test("A command without a server says what it could not reach and what to do, and fails")
  func noServer() throws {
    let port = try FreePorts.take(1)[0]
    let (status, output) = try RunningProcess.run(
      OutsideProgram.needletail, ["query", "up", "--server", "http://127.0.0.1:\(port)"])
    #expect(status != 0)
    #expect(output.contains("127.0.0.1:\(port)") && output.contains("needletail serve"), "\(output)")
  }
}
