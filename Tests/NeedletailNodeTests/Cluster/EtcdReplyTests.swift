import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("What etcd's JSON gateway answers")
struct EtcdReplyTests {
  private func reply(_ text: String) throws -> EtcdReply { try EtcdReply(Array(text.utf8)) }

  @Test("values, transactions, leases, tokens and errors are read, what is new is passed over")
  func read() throws {
    let range = try reply(
      #"{"header":{"cluster_id":"1"},"kvs":[{"key":"YQ==","create_revision":"2","mod_revision":"7","value":"YmM="}],"count":"1"}"#
    )
    #expect(range.values == [.init(key: [0x61], value: [0x62, 0x63], revision: 7)])
    let transaction = try reply(
      #"{"succeeded":true,"responses":[{"response_put":{"header":{}}},{"response_range":{"kvs":[{"key":"YQ=="}]}}]}"#)
    #expect(transaction.hasSucceeded && transaction.values.count == 1)
    let lease = try reply("{\"result\":{\"ID\":\"-5\",\"TTL\":30}}\n{\"result\":{}}\n")
    #expect(lease.lease == -5 && lease.seconds == 30)
    let error = try reply(#"{"error":"etcdserver: requested lease not found","message":"etcdserver: gone","code":5}"#)
    #expect(error.message == "etcdserver: gone" && error.code == 5)
    let stream = try reply(#"{"error":{"grpc_code":16,"message":"no"}}"#)
    #expect(stream.message == "no" && stream.code == 16)
    #expect(try reply(#"{"token":"abc"}"#).token == "abc")
  }

  @Test("what is no answer is an error")
  func bad() {
    let texts = [
      "", "[]", "no", "{", #"{"kvs":{}}"#, #"{"kvs":[{"key":"?"}]}"#, #"{"kvs":[{"key":"YQ"}]}"#, #"{"TTL":"x"}"#,
      #"{"ID":"99999999999999999999"}"#, #"{"succeeded":"yes"}"#,
      "{\"kvs\":[" + String(repeating: "{},", count: 5000) + "{}]}",
      String(repeating: "{\"result\":", count: 200) + "1" + String(repeating: "}", count: 200),
    ]
    for text in texts { #expect(throws: (any Error).self, "\(text.prefix(40))") { try reply(text) } }
  }

  @Test("base64 is read as it is written, and nothing else")
  func base64() {
    #expect(Base64.decode(Array("".utf8)) == [])
    #expect(Base64.decode(Array("AAEC/v8=".utf8)) == [0, 1, 2, 254, 255])
    #expect(Base64.decode(Array("+/+/".utf8)) == [251, 255, 191])
    for text in ["A", "AA", "AAA", "====", "A===", "AA=A", "A A=", "-_-_"] {
      #expect(Base64.decode(Array(text.utf8)) == nil, "\(text)")
    }
  }

  @Test("an entry is read as it was written; one that no node would write is refused")
  func entries() throws {
    let record = try NodeRecord(
      node: NodeID("n1"), identity: NodeIdentity(Hash128(high: 1, low: .max)), address: PeerAddress("[fd00::1]:7071"),
      zone: "west", weight: 3, roles: [.storage], version: "0.1.0", isEmpty: true)
    for cluster in [nil, Hash128(high: 7, low: 8)] {
      let entry = EtcdRegistration(record, cluster: cluster)
      #expect(try EtcdEntry.decoded(EtcdEntry.encoded(entry), of: "n1") == entry)
    }
    let bytes = EtcdEntry.encoded(EtcdRegistration(record, cluster: nil))
    #expect(throws: EtcdUnreadable.self) { try EtcdEntry.decoded(bytes, of: "n2") }
    let good = String(decoding: bytes, as: UTF8.self)
    let changes = [
      ("[fd00::1]:7071", "nowhere"), ("[fd00::1]:7071", "0.0.0.0:1"), ("[fd00::1]:7071", "a:0"), ("west", "two words"),
      (":3,", ":0,"), (":3,", ":-1,"), ("0000000000000001f", "x000000000000001f"),
      ("0.1.0", String(repeating: "9", count: 70)),
      ("{", "["), ("true", "1"), ("west", String(repeating: "w", count: 5000)),
    ]
    for (from, to) in changes {
      let bad = Array(good.replacing(from, with: to, maxReplacements: 1).utf8)
      #expect(bad != bytes && isRefused(bad), "\(from) \(to)")
    }
  }

  private func isRefused(_ bytes: [UInt8]) -> Bool { (try? EtcdEntry.decoded(bytes, of: "n1")) == nil }
}
