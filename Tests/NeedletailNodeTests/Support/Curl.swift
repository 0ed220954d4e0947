import Foundation
import NeedletailProcesses

/// The real `curl` as a client that speaks HTTP/2, which Foundation's does not without TLS.
enum Curl {
  struct Answer {
    /// The status line, headers and trailers, as curl prints them, names in lower case.
    var head: String
    var body: [UInt8]

    /// The value of a header or trailer.
    func header(_ name: String) -> String? {
      head.split(whereSeparator: \.isNewline).last { $0.lowercased().hasPrefix(name + ": ") }
        .map { String($0.dropFirst(name.count + 2)) }
    }

    var grpcStatus: Int? { header("grpc-status").flatMap { Int($0) } }
  }

  struct Failure: Error, CustomStringConvertible { let description: String }

  /// Sends `body` and waits for the answer on a thread of its own.
  static func send(
    _ url: String, _ body: [UInt8], headers: [String] = [], options: [String] = []
  ) async throws -> Answer {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(with: Swift.Result { try run(url, body, headers, options) })
      }
    }
  }

  /// A transfer that is cut, nothing more to be sent, a failed stream.
  private static let endedEarly: Set<Int32> = [18, 55, 92]

  private static func run(_ url: String, _ body: [UInt8], _ headers: [String], _ options: [String]) throws -> Answer {
    let folder = try TemporaryFolder()
    try Data(body).write(to: URL(filePath: folder.path + "/body"))
    let (status, complaint) = try RunningProcess.run(
      "curl",
      ["-sS", "--max-time", "60", "--data-binary", "@\(folder.path)/body", "-D", "\(folder.path)/head"]
        + ["-o", "\(folder.path)/answer"] + headers.flatMap { ["-H", $0] } + options + [url])
    let body = FileManager.default.contents(atPath: folder.path + "/answer") ?? Data()
    let head = FileManager.default.contents(atPath: folder.path + "/head") ?? Data()
    let answer = Answer(head: String(decoding: head, as: UTF8.self), body: Array(body))
    // A call that is refused before its message came has all of its answer; what curl calls that goes by its version.
    let isRefused = answer.grpcStatus.map { $0 != 0 } ?? false
    guard status == 0 || isRefused && endedEarly.contains(status) else {
      throw Failure(description: "curl \(status): \(complaint)")
    }
    return answer
  }

  /// Makes a gRPC call over HTTP/2 without TLS, the message framed as it must be unless `isFramed` says that it is.
  static func grpc(
    _ path: String, _ message: [UInt8], port: Int, headers: [String] = [], isFramed: Bool = false,
    isCompressed: Bool = false
  ) async throws -> Answer {
    let length = UInt32(message.count)
    let prefix = [isCompressed ? 1 : 0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
    return try await send(
      "http://127.0.0.1:\(port)\(path)", isFramed ? message : prefix + message,
      headers: ["content-type: application/grpc", "te: trailers"] + headers, options: ["--http2-prior-knowledge"])
  }
}
