@testable import NeedletailNode

extension PeerChannel {
  /// A way to a node of a test that is there, however long it takes where a thousand tests share two processors.
  static func patient(_ address: ListenAddress, token: String? = nil) -> PeerChannel {
    PeerChannel(address, token: token, connectTimeout: .seconds(60))
  }
}
