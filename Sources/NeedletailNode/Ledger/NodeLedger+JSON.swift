import NeedletailCollector

extension NodeLedger {
  /// Writes the members of its object; whoever asked adds what he knows himself.
  func writeMembers(to json: inout JSONWriter) {
    json.key("node")
    json.string(node)
    json.key("timeMilliseconds")
    json.integer(Timestamp.floorDivide(now, by: 1_000_000))
    json.key("startedMilliseconds")
    json.integer(Timestamp.floorDivide(started, by: 1_000_000))
    json.key("accounts")
    json.array { json in for account in accounts { account.write(to: &json) } }
    json.key("copies")
    json.array { json in for copies in copies { copies.write(to: &json) } }
    json.key("hints")
    json.array { json in for hints in hints { hints.write(to: &json) } }
    json.key("facts")
    json.counts(facts)
    json.key("remarks")
    json.array { json in for remark in remarks { json.string(remark) } }
  }
}

extension NodeLedger.Account {
  fileprivate func write(to json: inout JSONWriter) {
    json.object { json in
      json.whose(tenant, signal)
      json.key("requests")
      json.object { json in
        json.numbers([
          ("received", account.requests), ("bytes", account.bytes), ("acknowledged", account.requestsAcknowledged),
          ("underWay", account.requestsUnderWay), ("balance", account.requestsBalance),
        ])
        json.key("failed")
        json.counts(account.requestsFailed)
      }
      json.key("items")
      json.object { json in
        json.numbers([
          ("received", account.received), ("acknowledged", account.acknowledged), ("underWay", account.underWay),
          ("balance", account.balance),
        ])
        for (key, counts) in [
          ("refused", account.refused), ("failed", account.failed), ("leftOut", account.leftOut),
        ] {
          json.key(key)
          json.counts(counts)
        }
      }
    }
  }
}

extension NodeLedger.Copies {
  fileprivate func write(to json: inout JSONWriter) {
    json.object { json in
      json.whose(tenant, signal)
      json.numbers([
        ("wanted", account.wanted), ("stored", account.stored), ("hinted", account.hinted), ("missed", account.missed),
        ("removed", account.removed), ("failed", account.failed), ("underWay", account.underWay),
        ("balance", account.balance),
      ])
    }
  }
}

extension NodeLedger.Hints {
  fileprivate func write(to json: inout JSONWriter) {
    json.object { json in
      json.key("node")
      json.string(node)
      json.numbers([
        ("waiting", waiting), ("waitingBytes", waitingBytes), ("left", left), ("stored", stored),
        ("delivered", delivered), ("failures", failures),
      ])
      json.key("givenUp")
      json.counts(givenUp)
    }
  }
}

extension JSONWriter {
  fileprivate mutating func whose(_ tenant: String?, _ signal: String) {
    key("tenant")
    if let tenant { string(tenant) } else { null() }
    key("signal")
    string(signal)
  }

  fileprivate mutating func numbers(_ members: [(key: String, value: Int)]) {
    for member in members {
      key(member.key)
      integer(member.value)
    }
  }

  /// An object of numbers, by name.
  fileprivate mutating func counts(_ counts: [String: Int]) {
    object { json in
      for (key, value) in counts.sorted(by: { $0.key < $1.key }) {
        json.key(key)
        json.integer(value)
      }
    }
  }
}
