import NeedletailEnvironment

/// Which process is which node, for the proxy.
final class NodeRegister: Sendable {
  private let names = Lock<[Int32: String]>([:])

  func note(_ process: Int32, _ name: String) { names.withLock { $0[process] = name } }
  func forget(_ process: Int32) { names.withLock { $0[process] = nil } }

  /// The node that has a connection from a port to one of the proxy's.
  func owner(port: Int, target: Int) -> String? {
    let known = names.withLock { $0 }
    return SocketOwner.find(port: port, target: target, among: known.keys.sorted()).flatMap { known[$0] }
  }
}
