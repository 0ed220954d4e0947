import NeedletailCluster
import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry

/// The JSON form of a member's entry in etcd (docs/formats/etcd.md).
enum EtcdEntry {
  /// Longer than any entry that a node writes.
  private static let bytesMax = 4096

  static func encoded(_ registration: EtcdRegistration) -> [UInt8] {
    let record = registration.record
    var json = JSONWriter()
    json.object { json in
      json.key("node")
      json.string(record.node.rawValue)
      json.key("identity")
      json.string("\(record.identity)")
      json.key("address")
      json.string(record.address.text)
      json.key("roles")
      json.array { json in for role in record.roles.names { json.string(role) } }
      if let zone = record.zone {
        json.key("zone")
        json.string(zone)
      }
      json.key("weight")
      json.integer(record.weight)
      json.key("version")
      json.string(record.version)
      json.key("empty")
      json.bool(record.isEmpty)
      if let cluster = registration.cluster {
        json.key("cluster")
        json.string("\(cluster)")
      }
    }
    return json.take()
  }

  /// Reads one that lies under the key of a name; throws `EtcdUnreadable`, with that key, where it is none.
  static func decoded(_ bytes: [UInt8], of name: String) throws(EtcdUnreadable) -> EtcdRegistration {
    let key = EtcdKeys.members + name
    guard bytes.count <= bytesMax else { throw EtcdUnreadable(key: key, problem: "it is longer than any entry") }
    var fields = Fields()
    do throws(JSONError) {
      try fields.read(bytes)
    } catch {
      throw EtcdUnreadable(key: key, problem: "\(error)")
    }
    guard fields.node == name else { throw EtcdUnreadable(key: key, problem: "it names another node") }
    guard let identity = fields.identity.flatMap(Self.hash), let address = ListenAddress(fields.address),
      address.port > 0, !address.isEveryInterface
    else { throw EtcdUnreadable(key: key, problem: "it has no identity or no address that can be reached") }
    do throws(InvalidNodeRecord) {
      let record = try NodeRecord(
        node: NodeID(fields.node), identity: NodeIdentity(identity), address: PeerAddress(fields.address),
        zone: fields.zone, weight: fields.weight, roles: fields.roles, version: fields.version, isEmpty: fields.isEmpty)
      return EtcdRegistration(record, cluster: fields.cluster.flatMap(hash))
    } catch {
      throw EtcdUnreadable(key: key, problem: error.problem)
    }
  }

  private static func hash(_ text: String) -> Hash128? {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.suffix(16), radix: 16)
    else { return nil }
    return Hash128(high: high, low: low)
  }

  private struct Fields {
    var node = ""
    var identity: String?
    var address = ""
    var roles: NodeRoles = []
    var zone: String?
    var weight: UInt32 = 1
    var version = ""
    var isEmpty = false
    var cluster: String?
    private var text: [UInt8] = []

    mutating func read(_ bytes: [UInt8]) throws(JSONError) {
      let failure = bytes.withUnsafeBytes { raw -> JSONError? in
        var parser = JSONPullParser(raw)
        do throws(JSONError) {
          try object(&parser)
          try parser.finish()
          return nil
        } catch {
          return error
        }
      }
      if let failure { throw failure }
    }

    private mutating func object(_ parser: inout JSONPullParser) throws(JSONError) {
      try parser.enterObject()
      var (isFirst, key): (Bool, [UInt8]) = (true, [])
      while try parser.nextKey(isFirst: isFirst, into: &key) {
        isFirst = false
        switch String(decoding: key, as: UTF8.self) {
        case "node": node = try string(&parser)
        case "identity": identity = try string(&parser)
        case "address": address = try string(&parser)
        case "roles": roles = try names(&parser)
        case "zone": zone = try string(&parser)
        case "weight":
          try parser.readNumber(into: &text)
          guard let number = UInt32(String(decoding: text, as: UTF8.self)) else { throw parser.failure("no weight") }
          weight = number
        case "version": version = try string(&parser)
        case "empty": isEmpty = try parser.readBool()
        case "cluster": cluster = try string(&parser)
        default: try parser.skipValue(scratch: &text)
        }
      }
    }

    private mutating func string(_ parser: inout JSONPullParser) throws(JSONError) -> String {
      try parser.readString(into: &text)
      return String(decoding: text, as: UTF8.self)
    }

    /// Roles that this version does not know are passed over.
    private mutating func names(_ parser: inout JSONPullParser) throws(JSONError) -> NodeRoles {
      var (roles, isFirst): (NodeRoles, Bool) = ([], true)
      try parser.enterArray()
      while try parser.nextElement(isFirst: isFirst) {
        isFirst = false
        let name = try string(&parser)
        if let role = NodeRoles.named.first(where: { $0.name == name }) { roles.insert(role.role) }
      }
      return roles
    }
  }
}
