import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTelemetry
import Testing

@testable import NeedletailCollector

@Suite("Requests that come at the same time")
struct ReceiverConcurrencyTests {
  private static let senders = 6
  private static let rounds = 40

  /// A sample of some series that everybody sends and of one that only this request has, as zstd with a block as it is.
  private static func write(_ sender: Int, _ round: Int) -> ReceiveRequest {
    var writer = ProtobufWriter()
    for name in ["a", "b", "only \(sender) \(round)"] {
      writer.field(1) { series in
        series.field(1) { label in
          label.field(1, string: "__name__")
          label.field(2, string: name)
        }
        series.field(2) { sample in
          sample.field(1, double: Double(sender))
          sample.field(2, varint: UInt64(sender * 1000 + round))
        }
      }
    }
    let body = writer.bytes
    let block = body.count << 3 | 1
    let frame = [0x28, 0xB5, 0x2F, 0xFD, 0x20, body.count, block & 0xFF, block >> 8, 0].map { UInt8($0) } + body
    return ReceiveRequest(tenant: .default, contentType: nil, contentEncoding: "zstd", body: frame)
  }

  /// A change by one of a sum of the sender's own.
  private static func change(_ sender: Int, _ round: Int) -> ReceiveRequest {
    let json = """
      {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d\(sender)","sum":{"aggregationTemporality":1,
      "isMonotonic":true,"dataPoints":[{"timeUnixNano":"\(round + 1)000000","asInt":"1"}]}}]}]}]}
      """
    return ReceiveRequest(
      tenant: .default, contentType: "application/json", contentEncoding: "identity", body: Array(json.utf8))
  }

  @Test("Everything of every request arrives, changes add up, and the counters and the budget agree")
  func together() async {
    let store = Store()
    let receiver = Receiver(limits: IngestLimits(), sink: store, clock: SystemClock())
    await withTaskGroup(of: Void.self) { group in
      for sender in 0..<Self.senders {
        group.addTask {
          for round in 0..<Self.rounds {
            let written = await receiver.remoteWrite(Self.write(sender, round))
            #expect(written.remoteWriteStatus == 204 && written.accepted == 3)
            let changed = await receiver.otlp(.metrics, Self.change(sender, round))
            #expect(changed.accepted == 1)
          }
        }
      }
    }
    let requests = Self.senders * Self.rounds
    let all = store.samples
    // Two series of everybody's, one of each request's, one sum of each sender's.
    #expect(all.count == 2 + requests + Self.senders)
    #expect(all.values.count { $0.count == requests } == 2)
    #expect(all.values.count { $0[Int64(Self.rounds)] == Double(Self.rounds) } == Self.senders)
    let books = receiver.ledger[.metrics]
    #expect(books.acknowledged == requests * 4 && books.balance == 0 && books.underWay == 0)
    #expect(books.requestsBalance == 0 && books.requestsUnderWay == 0)
    #expect(receiver.budget.bytesInFlight == 0)
  }
}
