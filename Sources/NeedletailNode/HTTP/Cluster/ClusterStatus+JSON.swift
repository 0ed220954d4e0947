extension ClusterStatus {
  /// Writes all but the warnings, which belong to the envelope.
  func write(to json: inout JSONWriter) {
    json.object { json in
      json.key("cluster")
      if let cluster { json.string(cluster) } else { json.null() }
      json.key("node")
      json.string(node)
      json.key("epoch")
      json.integer(epoch)
      json.integers([
        ("slots", slots), ("replication", replication), ("writeQuorum", writeQuorum), ("readQuorum", readQuorum),
        ("slotsWithoutReadQuorum", slotsWithoutReadQuorum), ("slotsWithoutWriteQuorum", slotsWithoutWriteQuorum),
      ])
      json.key("nodes")
      json.array { json in for node in nodes { node.write(to: &json) } }
      if let etcd {
        json.key("etcd")
        json.string(etcd)
      }
      guard let change else { return }
      json.key("change")
      json.object { json in
        json.key("what")
        json.string(change.what)
        json.integers([("slots", change.slots), ("filled", change.filled)])
      }
    }
  }
}

extension ClusterStatus.Node {
  fileprivate func write(to json: inout JSONWriter) {
    json.object { json in
      for (key, text) in [("name", name), ("identity", identity), ("address", address), ("status", status)] {
        json.key(key)
        json.string(text)
      }
      json.key("roles")
      json.array { json in for role in roles { json.string(role) } }
      if let zone {
        json.key("zone")
        json.string(zone)
      }
      json.key("version")
      json.string(version)
      json.integers([
        ("weight", Int(weight)), ("slots", slots), ("arriving", arriving), ("leaving", leaving), ("hints", hints),
        ("hintBytes", hintBytes),
      ])
      if let unready { json.integers([("unready", unready)]) }
      if let descriptionsRefused { json.integers([("descriptionsRefused", descriptionsRefused)]) }
      guard let exchanges else { return }
      json.key("exchanges")
      json.object { json in
        json.integers([
          ("waiting", exchanges.waiting), ("finished", exchanges.finished), ("failed", exchanges.failed),
          ("different", exchanges.different), ("differentDescriptions", exchanges.differentDescriptions),
          ("differentRecent", exchanges.differentRecent),
        ])
      }
    }
  }
}

extension JSONWriter {
  fileprivate mutating func integers(_ members: [(key: String, value: Int)]) {
    for member in members {
      key(member.key)
      integer(member.value)
    }
  }
}
