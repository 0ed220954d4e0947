import Foundation
import NeedletailProcesses
import Testing

@Suite("Bad input to a real server", .serialized, .enabled(if: OutsideProgram.isExpected("curl", "gzip", "sh")))
struct BadInputTests {
  private static let otlp = ["/v1/metrics", "/v1/traces", "/v1/logs"]

  /// The most memory that the process ever had, in KiB.
  private func peakKilobytes(_ server: ServerUnderTest) throws -> Int {
    let pid = try #require(server.process?.identifier)
    let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(whereSeparator: \.isWhitespace)[1]))
  }

  /// Bytes that follow from a seed.
  private func bytes(_ count: Int, _ state: inout UInt64) -> [UInt8] {
    (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
  }

  @Test("random, truncated and wrongly compressed bodies get a reason and leave the server as it was")
  func malformed() async throws {
    var seed = UInt64.random(in: 0 ... .max)
    let first = seed
    let server = try ServerUnderTest()
    try await server.start()
    let valid = Array(NumberedTelemetry.metrics(0, base: Int(Date().timeIntervalSince1970 * 1000)).utf8)
    for _ in 0..<15 {
      let size = Int.random(in: 1...4000)
      let bodies: [(type: String, encoding: String?, body: [UInt8])] = [
        ("application/x-protobuf", nil, [0x0a] + bytes(size, &seed)),
        ("application/x-protobuf", "gzip", bytes(size, &seed)),
        ("application/x-protobuf", "zstd", [0x28, 0xb5, 0x2f, 0xfd] + bytes(size, &seed)),
        ("application/x-protobuf", "snappy", bytes(size, &seed)),
        ("application/json", nil, Array(valid.dropLast(size % valid.count + 1))),
        ("text/plain", nil, bytes(size, &seed)),
      ]
      for (type, encoding, body) in bodies {
        let headers = encoding.map { ["content-encoding": $0] } ?? [:]
        for path in Self.otlp + ["/api/v1/write"] {
          let answer = try await server.client.post(path, body, type: type, headers: headers)
          // A random body may by chance be a well-formed message without anything in it.
          let mayPass = type == "application/x-protobuf" && encoding == nil
          #expect((400..<500).contains(answer.status) || (mayPass && answer.status == 200), "\(path) seed \(first)")
          if answer.status >= 400 { #expect(!answer.body.isEmpty, "\(path) seed \(first)") }
        }
      }
    }
    #expect(try await server.get("/-/ready").status == 200)
    #expect(server.stop() == 0)
  }

  @Test("bombs and bodies without end, many at once, are refused within bounded memory", .timeLimit(.minutes(20)))
  func large() async throws {
    let server = try ServerUnderTest()
    try await server.start()
    let before = try peakKilobytes(server)
    let otlp = "http://127.0.0.1:\(server.otlpHTTPPort)"
    let (made, problem) = try RunningProcess.run(
      "sh",
      [
        "-c",
        """
        cd '\(server.folder.path)' && truncate -s 300000000 endless && gzip -1 < endless > bomb \
        && printf '\\377\\377\\377\\377\\017' > claim
        """,
      ])
    try #require(made == 0, "\(problem)")
    let protobuf = [
      "-sS", "-o", "/dev/null", "-X", "POST", "-H", "Content-Type: application/x-protobuf", "-H", "Expect:",
    ]
    let kinds = [
      ["-w", "bomb %{http_code}\\n", "-H", "Content-Encoding: gzip", "--data-binary"]
        + ["@\(server.folder.path)/bomb", "\(otlp)/v1/logs"],
      ["-w", "claim %{http_code}\\n", "-H", "Content-Encoding: snappy", "--data-binary"]
        + ["@\(server.folder.path)/claim", "http://127.0.0.1:\(server.port)/api/v1/write"],
      ["-w", "endless %{http_code}\\n", "-H", "Transfer-Encoding: chunked", "-T"]
        + ["\(server.folder.path)/endless", "\(otlp)/v1/traces"],
    ]
    let transfers = (0..<8).flatMap { _ in kinds.map { protobuf + $0 } }
    let (_, output) = try RunningProcess.run(
      "curl",
      ["--no-progress-meter", "--parallel", "--parallel-max", "24"] + Array(transfers.joined(separator: ["--next"])))
    let kindNames = ["bomb ", "claim ", "endless "]
    let lines = output.split(separator: "\n").map(String.init).filter { line in
      kindNames.contains { line.hasPrefix($0) }
    }
    for kind in ["bomb", "claim"] { #expect(lines.filter { $0.hasPrefix(kind + " ") }.count == 8, "\(output)") }
    // Where many come at once, some are asked to come again; none is taken.
    for line in lines {
      let code = line.suffix(3)
      #expect(code.hasPrefix("4") || code == "503" || line == "endless 000", "\(line)")
    }
    #expect(try peakKilobytes(server) - before < 1_500_000, "\(before) KiB before")
    #expect(try await server.get("/-/ready").status == 200)
    #expect(server.stop() == 0)
  }
}
