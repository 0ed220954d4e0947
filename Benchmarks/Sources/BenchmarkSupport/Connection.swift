import Foundation

/// A blocking HTTP/1.1 connection to a server on this machine: as little client as possible, so that the server is what is measured.
///
/// It connects when it is first used and again when the server asked to close, and gives up a read or a write after three minutes.
package final class Connection {
  private var descriptor: Int32 = -1
  private let port: Int
  private let host: String
  private var received: [UInt8] = []
  private var chunk = [UInt8](repeating: 0, count: 262_144)

  package init(port: Int) throws(BenchmarkError) {
    self.port = port
    host = "127.0.0.1:\(port)"
    try open()
  }

  deinit { shut() }

  /// Sends a remote-write body.
  package func post(_ path: String, _ body: [UInt8]) throws(BenchmarkError) -> HTTPAnswer {
    try open()
    try send(Array(Self.writeHead(path, host, body.count).utf8))
    try send(body)
    return try receive()
  }

  /// Sends a remote-write body from where it lies.
  package func post(_ path: String, _ body: UnsafeRawBufferPointer) throws(BenchmarkError) -> HTTPAnswer {
    try open()
    // One write for the head and the body, so that no packet of the head alone waits for the other side.
    let head = Self.writeHead(path, host, body.count)
    let problem = Array(head.utf8).withUnsafeBytes { head -> BenchmarkError? in
      do throws(BenchmarkError) { try send(head, body) } catch { return error }
      return nil
    }
    if let problem { throw problem }
    return try receive()
  }

  package func get(_ path: String) throws(BenchmarkError) -> HTTPAnswer {
    try open()
    try send(Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8))
    return try receive()
  }

  /// Sends a request without a body, as administration routes take it.
  package func post(_ path: String) throws(BenchmarkError) -> HTTPAnswer {
    try open()
    try send(Array("POST \(path) HTTP/1.1\r\nHost: \(host)\r\nContent-Length: 0\r\n\r\n".utf8))
    return try receive()
  }

  private static func writeHead(_ path: String, _ host: String, _ length: Int) -> String {
    "POST \(path) HTTP/1.1\r\nHost: \(host)\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
      + "X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: \(length)\r\n\r\n"
  }

  private func open() throws(BenchmarkError) {
    guard descriptor < 0 else { return }
    #if canImport(Glibc)
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    var patience = timeval(tv_sec: 180, tv_usec: 0)
    let patienceSize = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, patienceSize)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, patienceSize)
    var noDelay: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) == 0 }
    }
    guard connected else {
      shut()
      throw BenchmarkError("cannot connect to \(host)")
    }
  }

  private func shut() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    received.removeAll(keepingCapacity: true)
  }

  private func send(_ bytes: [UInt8]) throws(BenchmarkError) {
    let problem = bytes.withUnsafeBytes { bytes -> BenchmarkError? in
      do throws(BenchmarkError) { try send(bytes, UnsafeRawBufferPointer(start: nil, count: 0)) } catch { return error }
      return nil
    }
    if let problem { throw problem }
  }

  private func send(_ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer) throws(BenchmarkError) {
    var sent = 0
    while sent < head.count + body.count {
      let headRest = UnsafeRawBufferPointer(rebasing: head[min(sent, head.count)...])
      let bodyRest = UnsafeRawBufferPointer(rebasing: body[max(0, sent - head.count)...])
      var pieces = [
        iovec(iov_base: UnsafeMutableRawPointer(mutating: headRest.baseAddress), iov_len: headRest.count),
        iovec(iov_base: UnsafeMutableRawPointer(mutating: bodyRest.baseAddress), iov_len: bodyRest.count),
      ]
      var message = msghdr()
      let count = pieces.withUnsafeMutableBufferPointer { pieces in
        message.msg_iov = pieces.baseAddress
        message.msg_iovlen = 2
        // A server that was killed must be an error here, not a signal.
        return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else {
        shut()
        throw BenchmarkError("connection to \(host) broke while sending")
      }
      sent += count
    }
  }

  private func more() throws(BenchmarkError) {
    let count = read(descriptor, &chunk, chunk.count)
    guard count > 0 else {
      shut()
      throw BenchmarkError("connection to \(host) broke or timed out while receiving")
    }
    received += chunk[..<count]
  }

  private func receive() throws(BenchmarkError) -> HTTPAnswer {
    received.removeAll(keepingCapacity: true)
    var headEnd: Int?
    while headEnd == nil {
      try more()
      headEnd = end(of: [13, 10, 13, 10], from: 0)
    }
    let start = headEnd ?? 0
    let head = String(decoding: received[..<start], as: UTF8.self).lowercased()
    let status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
    let body: [UInt8]
    if status == 204 {
      body = []
    } else if let length = Self.field("content-length", in: head).flatMap({ Int($0) }) {
      while received.count < start + length { try more() }
      body = Array(received[start..<start + length])
    } else {
      body = try chunks(from: start)
    }
    if Self.field("connection", in: head) == "close" { shut() }
    return HTTPAnswer(status: status, bytes: body)
  }

  private static func field(_ name: String, in head: String) -> String? {
    for line in head.split(whereSeparator: \.isNewline) where line.hasPrefix(name + ":") {
      return line.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
    }
    return nil
  }

  private func chunks(from start: Int) throws(BenchmarkError) -> [UInt8] {
    var body: [UInt8] = []
    var position = start
    while true {
      var lineEnd = end(of: [13, 10], from: position)
      while lineEnd == nil {
        try more()
        lineEnd = end(of: [13, 10], from: position)
      }
      let first = lineEnd ?? position
      let text = String(decoding: received[position..<first - 2], as: UTF8.self).prefix { $0 != ";" }
      guard let length = Int(text, radix: 16) else {
        shut()
        throw BenchmarkError("\(host) answers in chunks that cannot be read")
      }
      while received.count < first + length + 2 { try more() }
      if length == 0 { return body }
      body += received[first..<first + length]
      position = first + length + 2
    }
  }

  /// The position behind the next occurrence of a short pattern.
  private func end(of pattern: [UInt8], from start: Int) -> Int? {
    guard received.count >= start + pattern.count else { return nil }
    return received.withUnsafeBufferPointer { bytes in
      for index in start...(bytes.count - pattern.count) where bytes[index] == pattern[0] {
        if (1..<pattern.count).allSatisfy({ bytes[index + $0] == pattern[$0] }) { return index + pattern.count }
      }
      return nil
    }
  }
}
