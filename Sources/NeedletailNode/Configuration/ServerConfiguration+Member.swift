import NIOSSL
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

// The settings of a node that belongs to a cluster.

extension ServerConfiguration {
  private static let seedsMax = 64
  /// Of the first hour that is kept, and of one that clocks may be apart by, replicas tell each other nothing: with less than
  /// these 70 minutes kept there would be times without anything to read.
  private static let retentionMin: Int64 = 2 * 3_600_000_000_000

  /// As `set`, for the settings of a member.
  mutating func setMember(_ setting: Setting, to text: String) -> String? {
    switch setting {
    case .node:
      nodeName = text.isEmpty ? nil : text
      return nodeName.flatMap { Self.problem(name: $0) }
    case .role:
      return Self.assign(
        Self.roles(text), to: &roles, "write collector, storage or query, several separated by commas, or all")
    case .peerAdvertise:
      if text.isEmpty { peerAdvertise = nil; return nil }
      return Self.assign(
        Self.reachable(text).map(Optional.some), to: &peerAdvertise,
        ListenAddress.advice(for: text) + "write HOST:PORT as others reach this node, for example 10.0.0.1:7071")
    case .seeds: return setSeeds(text)
    case .zone:
      zone = text.isEmpty ? nil : text
      return zone.flatMap { Self.problem(zone: $0) }
    case .weight:
      return Self.assign(
        Self.count(text).flatMap { UInt32(exactly: $0) }, to: &weight, "write a whole number from 1 to \(UInt32.max)")
    case .replication:
      return Self.assign(
        Self.count(text, max: Topology.replicaCountMax), to: &replication,
        "write a number from 1 to \(Topology.replicaCountMax)")
    case .writeQuorum:
      return Self.assign(WriteLevel(rawValue: text), to: &writeQuorum, "write one, quorum or all")
    case .readQuorum:
      return Self.assign(Self.consistency(text), to: &readQuorum, "write one, quorum or all")
    case .peerCA: peerCA = text.isEmpty ? nil : text
    case .peerClientAuth:
      return Self.assign(PeerClientAuth(rawValue: text), to: &peerClientAuth, "write require, off or auto")
    default: break
    }
    return nil
  }

  /// As `text(of:)`, for the settings of a member.
  func memberText(of setting: Setting) -> String {
    switch setting {
    case .node: nodeName ?? ""
    case .role: Self.text(of: roles)
    case .peerAdvertise: peerAdvertise?.description ?? ""
    case .seeds: seeds.map(\.description).joined(separator: ",")
    case .zone: zone ?? ""
    case .weight: String(weight)
    case .replication: String(replication)
    case .writeQuorum: writeQuorum.rawValue
    case .readQuorum:
      switch readQuorum {
      case .one: "one"
      case .quorum: "quorum"
      case .all: "all"
      }
    case .peerCA: peerCA ?? ""
    case .peerClientAuth: peerClientAuth.rawValue
    default: ""
    }
  }

  private mutating func setSeeds(_ text: String) -> String? {
    seeds = []
    guard !text.isEmpty else { return nil }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count <= Self.seedsMax else {
      return "write \(Self.seedsMax) addresses at most; a few members are enough"
    }
    for part in parts {
      let part = String(part.trimming { $0 == " " })
      guard let address = Self.reachable(part) else {
        return ListenAddress.advice(for: part)
          + "\"\(part)\" is none; write HOST:PORT of members, separated by commas, for example "
          + "10.0.0.1:7071,10.0.0.2:7071"
      }
      if !seeds.contains(address) { seeds.append(address) }
    }
    return nil
  }

  /// An address under which others can reach something: neither all interfaces nor a port that is yet to be found.
  private static func reachable(_ text: String) -> ListenAddress? {
    guard let address = ListenAddress(text), address.port > 0, !address.isEveryInterface,
      address.description.utf8.count <= NodeRecord.addressBytesMax
    else { return nil }
    return address
  }

  private static func roles(_ text: String) -> NodeRoles? {
    var roles: NodeRoles = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      switch part.trimming({ $0 == " " }) {
      case "collector": roles.insert(.collector)
      case "storage": roles.insert(.storage)
      case "query": roles.insert(.query)
      case "all": roles = .all
      default: return nil
      }
    }
    return roles.isEmpty ? nil : roles
  }

  private static func text(of roles: NodeRoles) -> String {
    roles == .all ? "all" : roles.names.joined(separator: ",")
  }

  private static func consistency(_ text: String) -> QuorumRead.Consistency? {
    switch text {
    case "one": .one
    case "quorum": .quorum
    case "all": .all
    default: nil
    }
  }

  private static func problem(name: String) -> String? { problem(name: name, zone: nil) }

  private static func problem(zone: String) -> String? { problem(name: "n", zone: zone) }

  /// What members would refuse of these.
  private static func problem(name: String, zone: String?) -> String? {
    do throws(InvalidNodeRecord) {
      _ = try NodeRecord(
        node: NodeID(name), identity: NodeIdentity(Hash128(high: 0, low: 0)), address: PeerAddress("a"), zone: zone)
      return nil
    } catch {
      return error.problem
    }
  }

  /// The authorities of which one has to vouch for the certificate of a node that calls; nil where none has to be
  /// shown.
  ///
  /// Throws `StartupError`.
  var demandedAuthorities: [NIOSSLCertificate]? {
    get throws(StartupError) { peerClientAuth == .off ? nil : try peerAuthorities }
  }

  /// The authorities of `peer-ca`; nil where it is not set. Throws `StartupError`.
  var peerAuthorities: [NIOSSLCertificate]? {
    get throws(StartupError) {
      guard let peerCA else { return nil }
      return try NodeCertificate.certificates(peerCA, of: "peer-ca")
    }
  }

  // MARK: What does not fit together

  /// What does not fit together in the settings of a member, or of a node that is none.
  func memberContradictions() -> [String] {
    var problems: [String] = []
    if peerCA != nil, tlsCertificate == nil {
      problems.append(
        "peer-ca is set (\(origin(of: .peerCA))) but tls-certificate is not; nodes speak TLS with each other where "
          + "they "
          + "have a certificate: set tls-certificate and tls-key, or leave peer-ca out")
    }
    if peerClientAuth == .require, peerCA == nil {
      problems.append(
        "peer-client-auth = require (\(origin(of: .peerClientAuth))) but peer-ca is not set; name the authorities that "
          + "other nodes' certificates have to be by in peer-ca, or leave peer-client-auth out")
    }
    problems += etcdContradictions()
    guard nodeName != nil else { return problems + strayMemberSettings() }
    if peerListen == nil {
      problems.append(
        "node is set (\(origin(of: .node))) but peer-listen is not; the other members reach this one there: "
          + "give --peer-listen HOST:PORT")
    }
    if let peerListen, peerListen.isEveryInterface, peerAdvertise == nil {
      problems.append(
        "peer-listen = \(peerListen) (\(origin(of: .peerListen))) is no address that others can reach; "
          + "set peer-advertise to the HOST:PORT that they can")
    }
    if outOfOrderWindow != nil {
      problems.append(
        "out-of-order-window is set (\(origin(of: .outOfOrderWindow))), with which replicas of a cluster would come to "
          + "hold different samples; set it to off")
    }
    if durability != .fsync {
      problems.append(
        "durability = \(text(of: .durability)) (\(origin(of: .durability))) lets a replica forget what it acknowledged "
          + "when the power fails, which the others take it to have; set it to fsync in a cluster")
    }
    if let kept = retention.nanoseconds, kept < Self.retentionMin {
      problems.append(
        "retention = \(text(of: .retention)) (\(origin(of: .retention))) is less than a cluster can keep: its replicas "
          + "agree on whole hours, so that what is about to expire is not read any more; set it to 2h or more")
    }
    if retentionBytes != nil {
      problems.append(
        "retention-bytes is set (\(origin(of: .retentionBytes))), with which replicas of a cluster would come to hold "
          + "different days; set it to off, and retention to what the disks hold")
    }
    return problems
  }

  /// Settings that mean nothing without a name.
  private func strayMemberSettings() -> [String] {
    let settings: [Setting] = [
      .role, .peerAdvertise, .seeds, .etcd, .zone, .weight, .replication, .writeQuorum, .readQuorum,
    ]
    return settings.filter { text(of: $0) != $0.defaultValue }.map { setting in
      "\(setting.rawValue) is set (\(origin(of: setting))) but node is not; a node belongs to a cluster by its name: "
        + "give --node NAME, or leave \(setting.rawValue) out"
    }
  }
}

extension NodeRoles {
  /// Those that this version knows, as they are written in settings.
  static let named: [(role: NodeRoles, name: String)] = [
    (.collector, "collector"), (.storage, "storage"), (.query, "query"),
  ]

  /// The names of those that this version knows, as they are written in settings.
  var names: [String] { Self.named.filter { contains($0.role) }.map(\.name) }
}

extension StringProtocol {
  /// Without the characters at both ends that `isTrimmed` takes.
  fileprivate func trimming(_ isTrimmed: (Character) -> Bool) -> SubSequence {
    let rest = drop(while: isTrimmed)
    return rest.lastIndex { !isTrimmed($0) }.map { rest[...$0] } ?? rest[..<rest.startIndex]
  }
}
