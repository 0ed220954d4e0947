/// Whether the port for other nodes wants a certificate of who calls it.
package enum PeerClientAuth: String, Sendable {
  /// Where `peer-ca` says whose certificates count.
  case auto
  case require
  case off
}
