import Foundation
import NeedletailProcesses
import Testing

@Suite("Files of the server", .serialized)
struct FileModeTests {
  private func modes(below folder: URL) throws -> [String: Int] {
    var modes: [String: Int] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      let attributes = try FileManager.default.attributesOfItem(atPath: folder.appending(path: name).path)
      modes[name] = (attributes[.posixPermissions] as? NSNumber)?.intValue
    }
    return modes
  }

  @Test("what serve makes is its owner's alone, and a folder that was open to others is told of")
  func modes() async throws {
    // The tests' own umask lets others read.
    let before = umask(0o022)
    defer { umask(before) }
    let server = try ServerUnderTest()
    try FileManager.default.createDirectory(
      at: server.folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    try await server.start()
    let body = Array(NumberedTelemetry.metrics(0, base: Int(Date().timeIntervalSince1970 * 1000)).utf8)
    let answer = try await server.client.post(
      "/v1/metrics", body, type: "application/json", port: server.otlpHTTPPort)
    #expect(answer.status == 200)
    let modes = try modes(below: server.folder)
    #expect(modes["catalog.sqlite"] == 0o600)
    #expect(modes.count > 3)
    for (name, mode) in modes { #expect(mode & 0o077 == 0, "\(name) has mode \(String(mode, radix: 8))") }
    let output = try #require(server.process).output
    #expect(output.contains("chmod go-rwx \(server.folder.path)"), "\(output)")
    server.stop()
  }
}
