import Foundation
import Testing

@testable import NeedletailNode

@Suite("A server that cannot start")
struct ServerStartTests {
  /// Why a server with these settings does not start; its data folder must not have been made.
  private func refusal(_ flags: [String: String], _ folder: TemporaryFolder) async throws -> String {
    do {
      try await RunningServer.run(folder: folder, flags: flags) { _ in }
    } catch {
      #expect(!FileManager.default.fileExists(atPath: folder.path + "/data"), "the data folder was touched: \(error)")
      return "\(error)"
    }
    Issue.record("it started")
    return ""
  }

  @Test("because a port is taken says which and by which setting, and has not touched the data folder")
  func ports() async throws {
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      for setting in ["listen", "otlp-http", "otlp-grpc"] {
        let reason = try await refusal([setting: "\(server.addresses.api)"], try TemporaryFolder())
        #expect(reason.contains("--\(setting)") && reason.contains("\(server.addresses.api)"), "\(reason)")
      }
    }
    let foreign = try await refusal(
      ["otlp-http": "127.0.0.1:0", "listen": "192.0.2.1:7070", "insecure": "true"], try TemporaryFolder())
    #expect(foreign.contains("--listen") && foreign.contains("192.0.2.1:7070"), "\(foreign)")
  }

  @Test("because of its certificate, its key or its tokens names the setting, and has not touched the data folder")
  func certificates() async throws {
    let folder = try TemporaryFolder()
    let one = try SelfSigned.settings(in: folder, name: "one")
    let two = try SelfSigned.settings(in: folder, name: "two")
    try Data("nothing of the kind\n".utf8).write(to: URL(filePath: folder.path + "/text"))
    let cases: [(flags: [String: String], setting: String)] = [
      (["tls-certificate": folder.path + "/missing", "tls-key": one["tls-key"] ?? ""], "tls-certificate"),
      (["tls-certificate": folder.path + "/text", "tls-key": one["tls-key"] ?? ""], "tls-certificate"),
      (["tls-certificate": one["tls-certificate"] ?? "", "tls-key": folder.path + "/text"], "tls-key"),
      (["tls-certificate": one["tls-certificate"] ?? "", "tls-key": two["tls-key"] ?? ""], "tls-key"),
      (["token-file": folder.path + "/missing"], "token-file"),
    ]
    for (flags, setting) in cases {
      let reason = try await refusal(flags, folder)
      #expect(reason.contains(setting) && flags.values.contains { reason.contains($0) }, "\(reason)")
    }
  }
}
