import HTTPTypes
import HummingbirdCore
import NeedletailCluster
import NeedletailQueryEngine

/// What operators see of the cluster and ask of it, in the envelope of the other answers.
struct ClusterAPI: Sendable {
  /// After how many seconds to ask again what cannot be done at the moment.
  private static let retryAfterSeconds = "5"
  private static let parameterBytesMax = 16 << 10
  /// How many names an error lists at most.
  private static let namesMax = 16

  /// Nil where the node belongs to none.
  let cluster: (any ClusterControl)?

  func respond(to route: ClusterRoute, _ request: Request) async throws -> Response {
    guard let cluster else {
      return Self.failure(
        .notFound, "not_found",
        "this node belongs to no cluster: start it with --node NAME, --peer-listen HOST:PORT and --seeds HOST:PORT,...")
    }
    do {
      switch route {
      case .status: return Self.status(await cluster.status())
      case .ring: return Self.ring(await cluster.ring())
      case .repair: return try await repair(cluster, try await request.parameters(bytesMax: Self.parameterBytesMax))
      case .add, .drain, .remove, .set, .cancel:
        return try await change(route, cluster, try await request.parameters(bytesMax: Self.parameterBytesMax))
      }
    } catch let error as QueryError {
      return PrometheusEnvelope.failure(error)
    } catch let error as ClusterControlError where error.isTemporary {
      return Self.failure(
        .serviceUnavailable, "unavailable", error.description, headers: [.retryAfter: Self.retryAfterSeconds])
    } catch let error as ClusterControlError {
      return Self.failure(.conflict, "conflict", error.description)
    }
  }

  // MARK: Telling

  private static func status(_ status: ClusterStatus) -> Response {
    PrometheusEnvelope.success(warnings: status.warnings) { status.write(to: &$0) }
  }

  private static func ring(_ slots: [(replicas: [String], next: [String]?)]) -> Response {
    PrometheusEnvelope.success { json in
      json.object { json in
        json.key("slots")
        json.array { json in
          for slot in slots {
            json.object { json in
              json.key("replicas")
              json.array { json in for node in slot.replicas { json.string(node) } }
              guard let next = slot.next else { return }
              json.key("next")
              json.array { json in for node in next { json.string(node) } }
            }
          }
        }
      }
    }
  }

  // MARK: Steering

  private func change(
    _ route: ClusterRoute, _ cluster: any ClusterControl, _ parameters: FormParameters
  ) async throws -> Response {
    let isDryRun = try parameters.truth("dry_run") ?? false
    let change: ClusterChange
    switch route {
    case .cancel: change = .cancel
    case .set: change = try await Self.setting(parameters, cluster)
    default:
      let node = try await Self.known(try Self.name(try parameters.required("node")), cluster)
      let isForced = try parameters.truth("force") ?? false
      change = route == .add ? .add(node) : route == .drain ? .drain(node) : .remove(node, isForced: isForced)
    }
    let plan = try await cluster.change(change, isDryRun: isDryRun)
    return PrometheusEnvelope.success(warnings: plan.warnings) { json in
      json.object { json in
        json.key("epoch")
        json.integer(plan.epoch)
        json.key("dryRun")
        json.bool(isDryRun)
        json.key("moves")
        json.array { json in
          for move in plan.moves {
            json.object { json in
              json.key("from")
              json.optional(move.from)
              json.key("to")
              json.optional(move.to)
              json.key("slots")
              json.integer(move.slots)
            }
          }
        }
        json.key("compared")
        json.integer(plan.compared)
      }
    }
  }

  /// A weight and a zone of one node, or N and W of all.
  private static func setting(
    _ parameters: FormParameters, _ cluster: any ClusterControl
  ) async throws -> ClusterChange {
    guard let name = parameters["node"] else {
      let quorum = try parameters["write_quorum"].map(Self.quorum)
      let count = try parameters["replication"].map {
        try number($0, "replication", 1...UInt32(Topology.replicaCountMax))
      }
      guard parameters["weight"] == nil, parameters.all("zone").isEmpty else {
        throw QueryError(.badData, "weight and zone are of one node: say which with the parameter node")
      }
      guard count != nil || quorum != nil else {
        throw QueryError(
          .badData, "nothing to set: give a node with weight or zone, or replication or write_quorum without a node")
      }
      return .replicate(count: count.map { Int($0) }, quorum: quorum)
    }
    guard parameters["replication"] == nil, parameters["write_quorum"] == nil else {
      throw QueryError(.badData, "replication and write_quorum are of the whole cluster: leave node out")
    }
    let weight = try parameters["weight"].map { try number($0, "weight", 1...UInt32.max) }
    let zone = try parameters.all("zone").first.map(Self.zone)
    guard weight != nil || zone != nil else {
      throw QueryError(.badData, "nothing to set for the node: give weight, zone or both")
    }
    return .place(try await known(try Self.name(name), cluster), weight: weight, zone: zone)
  }

  private static func number(_ text: String, _ name: String, _ range: ClosedRange<UInt32>) throws(QueryError) -> UInt32
  {
    guard let number = UInt32(text), range.contains(number) else {
      throw QueryError(
        .badData, "invalid parameter \"\(name)\": write a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  private static func quorum(_ text: String) throws(QueryError) -> ClusterChange.NewQuorum {
    if let level = WriteLevel(rawValue: text) { return .level(level) }
    guard let number = Int(text), (1...Topology.replicaCountMax).contains(number) else {
      throw QueryError(
        .badData,
        "invalid parameter \"write_quorum\": write one, quorum, all or a number from 1 to \(Topology.replicaCountMax)")
    }
    return .count(number)
  }

  /// Empty for none.
  private static func zone(_ text: String) throws(QueryError) -> ClusterChange.NewZone {
    guard !text.isEmpty else { return .none }
    guard text.utf8.count <= NodeRecord.zoneBytesMax, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
      throw QueryError(
        .badData,
        "invalid parameter \"zone\": names of zones are 1 to \(NodeRecord.zoneBytesMax) printable ASCII characters, or "
          + "nothing for no zone")
    }
    return .named(text)
  }

  private func repair(_ cluster: any ClusterControl, _ parameters: FormParameters) async throws -> Response {
    var node: String?
    if let name = parameters["node"] { node = try await Self.known(try Self.name(name), cluster) }
    let count = try await cluster.repair(node: node)
    return PrometheusEnvelope.success { json in
      json.object { json in
        json.key("exchanges")
        json.integer(count)
      }
    }
  }

  /// A name that a node may have; the errors that repeat it are short then.
  private static func name(_ text: String) throws(QueryError) -> String {
    guard text.utf8.count <= NodeRecord.nameBytesMax, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
      throw QueryError(
        .badData,
        "invalid parameter \"node\": names of nodes are 1 to \(NodeRecord.nameBytesMax) printable ASCII characters")
    }
    return text
  }

  /// The name, of which the node has to have heard.
  private static func known(_ name: String, _ cluster: any ClusterControl) async throws(QueryError) -> String {
    let names = await cluster.status().nodes.map(\.name)
    guard !names.contains(name) else { return name }
    let others = names.count > namesMax ? ", and \(names.count - namesMax) others" : ""
    throw QueryError(
      .notFound,
      "no node \(name) is known; those of the cluster are \(names.prefix(namesMax).joined(separator: ", "))\(others)")
  }

  private static func failure(
    _ status: HTTPResponse.Status, _ kind: String, _ message: String, headers: HTTPFields = [:]
  ) -> Response {
    var json = JSONWriter()
    json.object { json in
      json.key("status")
      json.string("error")
      json.key("errorType")
      json.string(kind)
      json.key("error")
      json.string(message)
    }
    return Response(status, "application/json", json.bytes, headers: headers)
  }
}

extension JSONWriter {
  /// A string, or null.
  fileprivate mutating func optional(_ text: String?) {
    if let text { string(text) } else { null() }
  }
}
