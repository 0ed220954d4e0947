import NeedletailCluster
import NeedletailOTLP

/// A request to etcd as a call of its JSON gateway, and what the answer says.
///
/// Keys and values are base64, 64-bit numbers text. The gateway takes what gRPC takes; see etcd's `rpc.proto`.
struct EtcdCall {
  /// How many entries of members are read: twice as many as a topology may have members.
  private static let membersMax = 2048
  private static let smallAnswerMax = 256 << 10
  private static let entriesMax = 16 << 20
  /// Decisions are short; this is what the longest take in base64, as many as are read.
  private static let decisionsMax = 48 << 20

  let path: String
  let body: [UInt8]
  /// The longest answer that is read, in bytes.
  let answerMax: Int

  init(_ request: EtcdRequest, prefix: String) {
    var json = JSONWriter()
    switch request {
    case .grant(let seconds):
      (path, answerMax) = ("/v3/lease/grant", Self.smallAnswerMax)
      json.object { json in Self.number("TTL", seconds, &json) }
    case .keepAlive(let lease):
      (path, answerMax) = ("/v3/lease/keepalive", Self.smallAnswerMax)
      json.object { json in Self.number("ID", lease, &json) }
    case .register(let registration, let lease):
      (path, answerMax) = ("/v3/kv/put", Self.smallAnswerMax)
      json.object { json in
        Self.bytes("key", prefix + EtcdKeys.members + registration.record.node.rawValue, &json)
        Self.bytes("value", EtcdEntry.encoded(registration), &json)
        Self.number("lease", lease, &json)
      }
    case .members:
      (path, answerMax) = ("/v3/kv/range", Self.entriesMax)
      json.object { json in
        Self.range(prefix + EtcdKeys.members, &json)
        Self.number("limit", Int64(Self.membersMax), &json)
      }
    case .epochs, .topologies:
      (path, answerMax) = ("/v3/kv/range", request == .epochs ? Self.smallAnswerMax : Self.decisionsMax)
      json.object { json in Self.newest(prefix, withValues: request == .topologies, &json) }
    case .decide(let topology, let basis):
      (path, answerMax) = ("/v3/kv/txn", Self.decisionsMax)
      json.object { json in Self.decide(topology, basis, prefix + EtcdKeys.topology, prefix, &json) }
    }
    body = json.take()
  }

  // MARK: Pieces of requests

  private static func bytes(_ key: String, _ value: some Sequence<UInt8>, _ json: inout JSONWriter) {
    json.key(key)
    json.string(JSONText.base64(value))
  }

  private static func bytes(_ key: String, _ value: String, _ json: inout JSONWriter) { bytes(key, value.utf8, &json) }

  private static func number(_ key: String, _ value: Int64, _ json: inout JSONWriter) {
    json.key(key)
    json.quotedInteger(value)
  }

  private static func text(_ key: String, _ value: String, _ json: inout JSONWriter) {
    json.key(key)
    json.string(value)
  }

  /// All keys that begin with a text which ends with a slash.
  private static func range(_ folder: String, _ json: inout JSONWriter) {
    bytes("key", folder, &json)
    bytes("range_end", EtcdKeys.end(of: folder), &json)
  }

  private static func newest(_ prefix: String, withValues: Bool, _ json: inout JSONWriter) {
    range(prefix + EtcdKeys.topology, &json)
    number("limit", Int64(EtcdDecision.readMax), &json)
    text("sort_order", "DESCEND", &json)
    text("sort_target", "KEY", &json)
    guard !withValues else { return }
    json.key("keys_only")
    json.bool(true)
  }

  /// The transaction that creates the key of an epoch once.
  private static func decide(
    _ topology: Topology, _ basis: Topology?, _ folder: String, _ prefix: String, _ json: inout JSONWriter
  ) {
    json.key("compare")
    json.array { json in
      json.object { json in
        if basis == nil { range(folder, &json) } else { bytes("key", folder + EtcdDecision.key(topology.epoch), &json) }
        text("target", "CREATE", &json)
        text("result", "EQUAL", &json)
        number("create_revision", 0, &json)
      }
      guard let basis else { return }
      json.object { json in
        bytes("key", folder + EtcdDecision.key(basis.epoch), &json)
        text("target", "VALUE", &json)
        text("result", "EQUAL", &json)
        bytes("value", basis.encoded, &json)
      }
    }
    json.key("success")
    json.array { json in
      operation("request_put", &json) { json in
        bytes("key", folder + EtcdDecision.key(topology.epoch), &json)
        bytes("value", topology.encoded, &json)
      }
      guard topology.epoch > EtcdDecision.keptMax else { return }
      operation("request_delete_range", &json) { json in
        bytes("key", folder + EtcdDecision.key(0), &json)
        bytes("range_end", folder + EtcdDecision.key(topology.epoch - EtcdDecision.keptMax + 1), &json)
      }
    }
    json.key("failure")
    json.array { json in
      operation("request_range", &json) { json in newest(prefix, withValues: true, &json) }
    }
  }

  private static func operation(_ name: String, _ json: inout JSONWriter, _ body: (inout JSONWriter) -> Void) {
    json.object { json in
      json.key(name)
      json.object(body)
    }
  }

  // MARK: Answers

  /// What a reply that is no error says; throws where it is none to such a request.
  static func answer(_ reply: EtcdReply, to request: EtcdRequest, prefix: String) throws(EtcdFailure) -> EtcdAnswer {
    switch request {
    case .grant:
      guard let lease = reply.lease, lease != 0, let seconds = reply.seconds, seconds > 0 else {
        throw .refused("etcd's answer names no lease: is it an etcd of version 3.4 or newer?")
      }
      return .granted(lease: lease, seconds: seconds)
    case .keepAlive: return .keptAlive(seconds: reply.seconds ?? 0)
    case .register: return .registered
    case .members: return members(reply, prefix + EtcdKeys.members)
    case .epochs: return .epochs(decisions(reply, prefix).map(\.mark))
    case .topologies: return .topologies(decisions(reply, prefix))
    case .decide: return .decided(reply.hasSucceeded, reply.hasSucceeded ? [] : decisions(reply, prefix))
    }
  }

  private static func members(_ reply: EtcdReply, _ folder: String) -> EtcdAnswer {
    var (found, unreadable): ([EtcdRegistration], [EtcdUnreadable]) = ([], [])
    for one in reply.values {
      do throws(EtcdUnreadable) {
        found.append(try EtcdEntry.decoded(one.value, of: name(one.key, folder)))
      } catch {
        unreadable.append(error)
      }
    }
    return .members(found.sorted { $0.record.node < $1.record.node }, unreadable: unreadable)
  }

  private static func decisions(_ reply: EtcdReply, _ prefix: String) -> [EtcdDecision] {
    reply.values.map { one in
      EtcdDecision(key: name(one.key, prefix + EtcdKeys.topology), revision: one.revision, value: one.value)
    }
  }

  /// A key without what stands before it, as it can be shown.
  private static func name(_ key: [UInt8], _ folder: String) -> String {
    let rest = key.starts(with: folder.utf8) ? key.dropFirst(folder.utf8.count) : key[...]
    return String(decoding: rest.prefix(200).map { (0x21...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
  }
}
