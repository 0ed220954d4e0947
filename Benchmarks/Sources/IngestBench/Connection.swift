import Foundation

/// A blocking HTTP/1.1 connection to a server on this machine: as little client as possible, so that the server is what is measured.
final class Connection {
  private let descriptor: Int32
  private let host: String

  init(port: Int) throws {
    #if canImport(Glibc)
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    host = "127.0.0.1:\(port)"
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) == 0 }
    }
    guard connected else {
      close(descriptor)
      throw BenchmarkError("cannot connect to \(host)")
    }
  }

  deinit { close(descriptor) }

  func post(_ path: String, _ body: [UInt8]) throws -> (status: Int, body: String) {
    let head =
      "POST \(path) HTTP/1.1\r\nHost: \(host)\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
      + "X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: \(body.count)\r\n\r\n"
    try send(Array(head.utf8) + body)
    return try receive()
  }

  func get(_ path: String) throws -> (status: Int, body: String) {
    try send(Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8))
    return try receive()
  }

  private func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
      guard count > 0 else { throw BenchmarkError("connection to \(host) broke while sending") }
      sent += count
    }
  }

  private func receive() throws -> (status: Int, body: String) {
    var bytes: [UInt8] = []
    while true {
      if let answer = Self.parse(bytes) { return answer }
      var chunk = [UInt8](repeating: 0, count: 65_536)
      let count = read(descriptor, &chunk, chunk.count)
      guard count > 0 else { throw BenchmarkError("connection to \(host) broke while receiving") }
      bytes += chunk[..<count]
    }
  }

  /// The answer, once it is whole: by its length, or by the last chunk.
  private static func parse(_ bytes: [UInt8]) -> (status: Int, body: String)? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = text.range(of: "\r\n\r\n") else { return nil }
    let head = text[..<end.lowerBound].lowercased()
    let status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
    let body = text[end.upperBound...]
    if status == 204 { return (status, "") }
    if let field = head.range(of: "content-length:") {
      let length = Int(
        head[field.upperBound...].prefix { $0 != "\r\n" && $0 != "\r" }.trimmingCharacters(in: .whitespaces))
      return body.utf8.count >= length ?? 0 ? (status, String(body)) : nil
    }
    return body.hasSuffix("0\r\n\r\n") ? (status, String(body)) : nil
  }
}

struct BenchmarkError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
