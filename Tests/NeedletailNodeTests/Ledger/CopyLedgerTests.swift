import NeedletailCluster
import NeedletailCollector
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("The books of copies", .timeLimit(.minutes(5)))
struct CopyLedgerTests {
  private let now = SystemTime.milliseconds

  private func books(_ cluster: WriteCluster) async throws -> (CopyLedger.Account, [NodeLedger.Hints]) {
    let (copies, hints) = try await cluster.nodes[0].up.writing.ledger()
    return (copies.sorted.first?.account ?? CopyLedger.Account(), hints)
  }

  @Test("tell for each row of each replica whether it is stored or hinted, and balance")
  func hinted() async throws {
    try await WriteCluster.run(3) { cluster in
      let first = try WrittenSeries(0..<50, at: now - 2_000)
      _ = try await cluster.sink().append(series: first.batch, definitions: first.definitions)
      try await cluster.settle()
      var (copies, hints) = try await books(cluster)
      #expect(copies.wanted == 150 && copies.stored == 150 && copies.balance == 0 && copies.underWay == 0)
      #expect(hints.allSatisfy { $0.stored == 0 })
      try await cluster.stop(2)
      let second = try WrittenSeries(0..<20, at: now - 1_000)
      _ = try await cluster.sink().append(series: second.batch, definitions: second.definitions)
      try await cluster.settle()
      (copies, hints) = try await books(cluster)
      #expect(copies.wanted == 210 && copies.stored == 190 && copies.hinted == 20 && copies.balance == 0)
      #expect(hints.map(\.node) == ["n3"] && hints.first?.stored == 1 && hints.first?.waiting == 1)
      try await cluster.nodes[2].start()
      try await cluster.meet()
      try await cluster.delivered(to: NodeID("n3"))
      (copies, hints) = try await books(cluster)
      #expect(hints.first?.delivered == 1 && hints.first?.waiting == 0 && copies.balance == 0)
    }
  }

  @Test("of a write that is not acknowledged say that it failed, and of no replica that it has it")
  func failed() async throws {
    try await WriteCluster.run(3) { cluster in
      try await cluster.stop(1)
      try await cluster.stop(2)
      let written = try WrittenSeries(0..<10, at: now - 1_000)
      await #expect(throws: SinkError.self) {
        try await cluster.sink().append(series: written.batch, definitions: written.definitions)
      }
      try await cluster.settle()
      let (copies, _) = try await books(cluster)
      #expect(copies.wanted == 30 && copies.failed == 30 && copies.stored == 0 && copies.balance == 0)
    }
  }
}
