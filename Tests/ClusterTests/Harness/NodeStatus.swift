import Foundation
import NeedletailProcesses

/// What `GET /needletail/v1/cluster/status` of a node tells, as far as the tests ask.
struct NodeStatus: Sendable, CustomStringConvertible {
  struct Member: Sendable {
    var name: String
    var status: String
    var slots: Int
    /// Nil where the member did not say.
    var unready: Int?
    var hints: Int
    var isMoving: Bool
  }

  var members: [Member]
  var isChanging: Bool
  /// Slots of which too few replicas are there and whole to be read or written.
  var slotsWithoutQuorum: Int
  let description: String

  init(_ body: Data) throws {
    description = String(decoding: body.prefix(4000), as: UTF8.self)
    guard var json = try JSONSerialization.jsonObject(with: body) as? [String: Any] else {
      throw TestFailure("no status: \(description)")
    }
    if let data = json["data"] as? [String: Any] { json = data }
    guard let nodes = json["nodes"] as? [[String: Any]] else { throw TestFailure("no nodes in \(description)") }
    func number(_ node: [String: Any], _ key: String) -> Int? { (node[key] as? NSNumber)?.intValue }
    members = nodes.map { node in
      Member(
        name: node["name"] as? String ?? "", status: node["status"] as? String ?? "", slots: number(node, "slots") ?? 0,
        unready: number(node, "unready"), hints: number(node, "hints") ?? 0,
        isMoving: (number(node, "arriving") ?? 0) + (number(node, "leaving") ?? 0) > 0)
    }
    slotsWithoutQuorum =
      (number(json, "slotsWithoutReadQuorum") ?? 0) + (number(json, "slotsWithoutWriteQuorum") ?? 0)
    isChanging = json["change"].map { !($0 is NSNull) } ?? false
  }

  func member(_ name: String) -> Member? { members.first { $0.name == name } }

  /// Whether there is a cluster, all of `names` are there and whole, nothing waits for anybody, and nothing is under way.
  func isSettled(_ names: [String]) -> Bool {
    guard !isChanging, slotsWithoutQuorum == 0, members.contains(where: { $0.slots > 0 }),
      members.allSatisfy({ $0.hints == 0 && !$0.isMoving })
    else { return false }
    return names.allSatisfy { name in
      member(name).map { $0.status == "alive" && ($0.unready == 0 || $0.slots == 0) } ?? false
    }
  }
}
