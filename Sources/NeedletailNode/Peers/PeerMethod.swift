import NeedletailCluster
import NeedletailTelemetry

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
  /// News about members; the answer is empty, and what there is to say comes as calls of its own.
  case gossip = "Gossip"
  /// What nodes say to each other to agree on who holds what; the answer is empty.
  case topology = "Topology"
  /// A node's rows of a write or a hint; the answer says whether they are on disk.
  case write = "Write"
  /// Any number of such writes, in a call that stays open (`PeerConversation`).
  case writes = "Writes"
  /// Slots of a query: digests, and the rows where they are wanted.
  case read = "Read"
  /// Digests of slots that the node knows without reading anything, in a call that stays open (`PeerConversation`).
  case known = "Known"
  /// What two replicas compare; the answer is empty.
  case repair = "Repair"
  /// Any number of such messages, in a call that stays open.
  case repairs = "Repairs"
  /// To compare slots with another replica out of turn; the answer is empty.
  case compare = "Compare"
  /// How the node's replicas are.
  case report = "Report"
  /// What became of all that the node took in, and how it is.
  case ledger = "Ledger"

  private static let service = "/needletail.peer.v1.Peer/"

  /// Whether the method is about the cluster, and not about what this node has.
  var isOfCluster: Bool {
    switch self {
    case .gossip, .topology, .write, .writes, .read, .known, .repair, .repairs, .compare, .report: true
    case .append, .select, .labelNames, .labelValues, .series, .metadata, .ledger: false
    }
  }

  /// Whether it is about who is there and who holds what.
  var isOfMembers: Bool { self == .gossip || self == .topology || self == .report || self == .ledger }

  /// The call that stays open for messages of this method; nil where there is none.
  var pipeline: PeerMethod? {
    switch self {
    case .write: .writes
    case .repair: .repairs
    default: nil
    }
  }

  /// Whether it is a call that stays open, in which each message has an answer.
  var staysOpen: Bool { self == .known || self == .writes || self == .repairs }

  /// The largest question, in bytes.
  var questionBytesMax: Int {
    switch self {
    case .append: AppendMessage.bytesMax
    case .write: 2 * Frame.bytesMax + WriteMessage.overheadMax
    case .repair: RepairEnvelope.bytesMax
    // A selection, and the sets of slots around it.
    case .read: 2 << 20
    // What is larger costs more than a call of its own, and would keep those behind it waiting.
    case .known, .writes, .repairs: 256 << 10
    case .select, .labelNames, .labelValues, .series, .metadata, .gossip, .topology, .compare, .report, .ledger:
      1 << 20
    }
  }

  /// Nil for a path that is none of these.
  init?(path: String) {
    guard path.hasPrefix(Self.service) else { return nil }
    self.init(rawValue: String(path.dropFirst(Self.service.count)))
  }

  var path: String { Self.service + rawValue }
}
