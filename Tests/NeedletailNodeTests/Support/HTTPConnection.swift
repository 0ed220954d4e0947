#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A client of a few lines over a blocking socket: it can also send what no proper client would.
struct HTTPConnection: ~Copyable {
  struct Failure: Error, CustomStringConvertible { let description: String }

  private let socket: Int32

  /// `receiveBuffer` is how many bytes the system takes in ahead of the reader; nil for as many as it likes.
  init(port: Int, receiveBuffer: Int32? = nil) throws {
    #if canImport(Glibc)
      socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      socket = Darwin.socket(AF_INET, SOCK_STREAM, 0)
    #endif
    guard socket >= 0 else { throw Failure(description: "no socket") }
    if var receiveBuffer {
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<Int32>.size))
    }
    var timeout = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(truncatingIfNeeded: port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else { throw Failure(description: "cannot connect to port \(port): errno \(errno)") }
  }

  deinit { close(socket) }

  /// Sends what the other side still takes.
  func send(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let sent = rest.withUnsafeBytes { bytes in
        #if canImport(Glibc)
          Glibc.send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        #else
          Darwin.send(socket, bytes.baseAddress, bytes.count, 0)
        #endif
      }
      guard sent > 0 else { return }
      rest = rest.dropFirst(sent)
    }
  }

  /// Tells the other side that nothing more will come.
  func endSending() { shutdown(socket, Int32(SHUT_WR)) }

  /// So many bytes, or all until the other side closes.
  func receive(_ count: Int) -> [UInt8] {
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: count)
    while result.count < count {
      let received = buffer.withUnsafeMutableBytes { recv(socket, $0.baseAddress, count - result.count, 0) }
      guard received > 0 else { break }
      result += buffer[..<received]
    }
    return result
  }

  /// Everything until the other side closes.
  func receiveAll() -> [UInt8] {
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = buffer.withUnsafeMutableBytes { recv(socket, $0.baseAddress, $0.count, 0) }
      guard count > 0 else { return result }
      result += buffer[..<count]
    }
  }
}

/// An answer over HTTP/1.1.
struct HTTPAnswer {
  var status: Int
  var headers: [String: String]
  var body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }

  /// Takes apart what a server sent until it closed the connection.
  init(parsing bytes: [UInt8]) throws {
    let end = Array("\r\n\r\n".utf8)
    guard let split = bytes.indices.first(where: { bytes[$0...].starts(with: end) }) else {
      throw HTTPConnection.Failure(description: "no answer: \(bytes.count) bytes")
    }
    let lines = String(decoding: bytes[..<split], as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count >= 2, let status = Int(words[1]) else {
      throw HTTPConnection.Failure(description: "no status line: \(lines.first ?? "")")
    }
    self.status = status
    headers = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].drop { $0 == " " }.description
    }
    let rest = Array(bytes[(split + 4)...])
    body = headers["transfer-encoding"] == "chunked" ? try Self.dechunked(rest) : rest
  }

  private static func dechunked(_ bytes: [UInt8]) throws -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while let lineEnd = bytes[index...].firstIndex(of: 13) {
      guard let count = Int(String(decoding: bytes[index..<lineEnd], as: UTF8.self), radix: 16) else { break }
      if count == 0 { return result }
      result += bytes[(lineEnd + 2)..<(lineEnd + 2 + count)]
      index = lineEnd + 4 + count
    }
    throw HTTPConnection.Failure(description: "the answer ends in the middle of a chunk")
  }
}
