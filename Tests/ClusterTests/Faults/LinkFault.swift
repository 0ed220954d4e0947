/// What is wrong with the way from one node to another, whichever of them opened the connection.
enum LinkFault: Hashable, Sendable {
  /// Connections are reset, and new ones too.
  case refused
  /// Nothing arrives and nobody is told; what was sent arrives when the fault ends, as by retransmission.
  case held
  /// What is sent is lost and nobody is told; when the fault ends, connections that lost something are reset.
  case swallowed
  /// All arrives in order, but later.
  case delayed(milliseconds: Int64)
  /// All arrives in order, so many bytes a second.
  case slow(bytesPerSecond: Int)

  /// Whether nothing arrives as long as it lasts.
  var isSilent: Bool { self == .held || self == .swallowed }
}

/// The way from one node to another.
struct Link: Hashable, Sendable {
  var from: String
  var to: String

  var reversed: Link { Link(from: to, to: from) }
}
