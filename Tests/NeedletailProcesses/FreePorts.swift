import Foundation
import Synchronization

/// Ports on the loopback address that nobody listened on a moment ago.
package enum FreePorts {
  /// What was given out already: a port is nobody's until the program that it is for binds it.
  private static let given = Mutex<Set<Int>>([])

  /// So many ports, of which none was given before, below the range from which the operating system gives ports to clients:
  /// none of them is lost to an outgoing connection before the program under test binds it.
  package static func take(_ count: Int) throws -> [Int] { try (0..<count).map { _ in try base(span: 1) } }

  /// A first port with its next `span` ones, all as those of `take`.
  package static func base(span: Int) throws -> Int {
    for _ in 0..<1000 {
      let ports = Int.random(in: 15_000..<30_000)..<30_000 + span
      let wanted = ports.prefix(span)
      let isNew = given.withLock { given in
        guard given.isDisjoint(with: wanted) else { return false }
        given.formUnion(wanted)
        return true
      }
      guard isNew, let first = wanted.first else { continue }
      var taken: [(descriptor: Int32, port: Int)] = []
      defer { for socket in taken { close(socket.descriptor) } }
      while taken.count < span, let socket = try listener(at: first + taken.count) { taken.append(socket) }
      if taken.count == span { return first }
    }
    throw TestFailure("no \(span) free ports in a row")
  }

  /// A socket bound to a port of the loopback address; nil when the port is taken.
  private static func listener(at port: Int) throws -> (descriptor: Int32, port: Int)? {
    #if canImport(Glibc)
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      let descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    guard descriptor >= 0 else { throw TestFailure("no socket") }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
      }
    }
    guard isBound else {
      close(descriptor)
      return nil
    }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
  }
}
