/// What one node asks of another, by the path under which it is called.
enum PeerMethod: String, CaseIterable, Sendable {
  /// Keeps a batch; answers when it is as safe as the node promises.
  case append = "Append"
  /// The samples of the series that a selection finds: messages of series.
  case select = "Select"
  case labelNames = "LabelNames"
  case labelValues = "LabelValues"
  case series = "Series"
  case metadata = "Metadata"

  private static let service = "/needletail.peer.v1.Peer/"

  /// Nil for a path that is none of these.
  init?(path: String) {
    guard path.hasPrefix(Self.service) else { return nil }
    self.init(rawValue: String(path.dropFirst(Self.service.count)))
  }

  var path: String { Self.service + rawValue }
}
