import Foundation

/// Finds out which process holds a socket of this machine, as Linux tells in /proc.
enum SocketOwner {
  /// Whether this system tells.
  static var isKnown: Bool { FileManager.default.fileExists(atPath: "/proc/net/tcp") }

  /// The process among `processes` that has a connection from the loopback port `port` to the port `target`.
  static func find(port: Int, target: Int, among processes: [Int32]) -> Int32? {
    guard let inode = inode(port: port, target: target) else { return nil }
    let wanted = "socket:[\(inode)]"
    for process in processes {
      let folder = "/proc/\(process)/fd"
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      let isFound = names.contains {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == wanted
      }
      if isFound { return process }
    }
    return nil
  }

  /// The number of the socket that is bound to `port` and connected to `target`.
  private static func inode(port: Int, target: Int) -> Substring? {
    for line in table().split(separator: "\n").dropFirst() {
      // number, own address, other address, state, queues, timers, retransmissions, user, timeouts, inode
      let columns = line.split(separator: " ")
      guard columns.count > 9, hasPort(columns[1], port), hasPort(columns[2], target) else { continue }
      return columns[9]
    }
    return nil
  }

  private static func hasPort(_ address: Substring, _ port: Int) -> Bool {
    address.split(separator: ":").last.flatMap { Int($0, radix: 16) } == port
  }

  /// All of /proc/net/tcp, which is as long as its reading says: Foundation asks for its length, and takes the first page.
  private static func table() -> String {
    let descriptor = open("/proc/net/tcp", O_RDONLY)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var page = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = read(descriptor, &page, page.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += page.prefix(count)
    }
  }
}
