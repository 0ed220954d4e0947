import Foundation
import NIOCore
import NIOPosix
import NeedletailCollector
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Nodes that talk to each other")
struct PeerChannelTests {
  private static let now = Int64(Date().timeIntervalSince1970) * 1000
  private static let flags = ["peer-listen": "127.0.0.1:0"]

  private static func series(_ numbers: some Sequence<Int>, samples: Int) -> [TestSeries] {
    numbers.map { number in
      TestSeries(
        labels: [("__name__", "requests"), ("number", "\(number)")],
        samples: (0..<samples).map { (now - Int64(samples - $0) * 1_000, Double(number * $0)) })
    }
  }

  private static func channel(_ server: RunningServer, token: String? = nil) throws -> PeerChannel {
    PeerChannel.patient(try #require(server.addresses.peers), token: token)
  }

  /// The answer of an engine over a source, as text.
  private static func answer(_ query: String, _ source: any SeriesSource) async throws -> [String] {
    let expression = try PrometheusAPI.parse(query)
    let result = try await QueryEngine(series: source).instant(expression, text: query, tenant: .default, at: now)
    guard case .vector(let columns) = result.value else { return ["no vector"] }
    return PeerMessageTests.text(columns).sorted()
  }

  @Test("a query over what three nodes hold in parts and twice answers as over one that holds all")
  func union() async throws {
    let folders = try (0..<4).map { _ in try TemporaryFolder() }
    try await RunningServer.run(folder: folders[0]) { whole in
      #expect(try await whole.remoteWrite(Self.series(0..<40, samples: 600)).status == 204)
      try await RunningServer.run(folder: folders[1], flags: Self.flags) { one in
        #expect(try await one.remoteWrite(Self.series(0..<25, samples: 600)).status == 204)
        try await RunningServer.run(folder: folders[2], flags: Self.flags) { two in
          #expect(try await two.remoteWrite(Self.series(15..<40, samples: 600)).status == 204)
          try await RunningServer.run(folder: folders[3], flags: Self.flags) { three in
            let channels = try [one, two, three].map { try Self.channel($0) }
            let sources = channels.map { RemoteSeriesSource(channel: $0, timeout: .seconds(30)) }
            let union = UnionSeriesSource(sources: sources)
            for query in ["requests", "sum(rate(requests[5m]))", "count_over_time(requests[10m])", "topk(3, requests)"]
            {
              let found = try await Self.answer(query, union)
              let wanted = try await whole.instant(query, at: Self.now)
              #expect(found.count == wanted.count && !found.isEmpty, "\(query)")
              if query.hasPrefix("sum") {
                let value = try #require(wanted.values.first.flatMap { Double($0) })
                #expect(found == ["{} \(Self.now) \(value.bitPattern) 0"])
              }
            }
            let scope = MetadataScope(tenant: .default)
            #expect(try await union.labelNames(scope, limit: 10).elements == ["__name__", "number"])
            #expect(try await union.labelValues("number", scope, limit: 100).elements.count == 40)
            #expect(try await union.series(scope, limit: 100).elements.count == 40)
            for channel in channels { await channel.close() }
          }
        }
      }
    }
  }

  @Test("a batch that another node keeps is there, and what it refuses comes back as its own sink says it")
  func append() async throws {
    let folder = try TemporaryFolder()
    try await RunningServer.run(folder: folder, flags: Self.flags) { server in
      let channel = try Self.channel(server)
      let sink = RemoteSink(channel: channel, timeout: .seconds(240)) { _, _ in Int64.min...Int64.max }
      let labels = LabelSet(["__name__": "up", "job": "far"])
      let id = SeriesID(labels, tenant: .default)
      func batch(at time: Int64) throws -> SeriesBatch {
        var builder = SeriesBatchBuilder()
        builder.beginSeries(id)
        builder.append(timestamp: time, valueBits: (1.0).bitPattern)
        let built = builder.build(tenant: .default, batchID: Hash128(high: 1, low: UInt64(time)))
        return try #require(built)
      }
      await #expect(throws: SinkError.unknownSeries) {
        try await sink.append(series: try batch(at: Self.now), definitions: nil)
      }
      var definitions = SeriesDefinitionsBuilder()
      definitions.append(id, labels: labels)
      let named = definitions.build(tenant: .default)
      #expect(try await sink.append(series: try batch(at: Self.now), definitions: named) == SinkOutcome())
      #expect(try await server.instant("up", at: Self.now) == ["job=far": "1"])
      let old = await Result { try await sink.append(series: try batch(at: 1_000), definitions: nil) }
      guard case .failure(let error as SinkError) = old, case .outOfRetention = error else {
        Issue.record("\(old)")
        return
      }
      await channel.close()
    }
  }

  @Test("a node that wants a token refuses who has none, with the reason")
  func token() async throws {
    let folder = try TemporaryFolder()
    let file = folder.path + "/tokens"
    try "a token of twenty-six bytes".write(toFile: file, atomically: true, encoding: .utf8)
    try await RunningServer.run(folder: folder, flags: Self.flags.merging(["token-file": file]) { $1 }) { server in
      for (token, isAccepted) in [
        (nil, false), ("another one of some length", false), ("a token of twenty-six bytes", true),
      ] {
        let channel = try Self.channel(server, token: token)
        let source = RemoteSeriesSource(channel: channel, timeout: .seconds(30))
        let names = try? await source.labelNames(MetadataScope(tenant: .default), limit: 1)
        #expect((names != nil) == isAccepted)
        await channel.close()
      }
    }
  }

  @Test("a node that is not there, goes away or never answers is named in the error, and the next call finds it again")
  func failures() async throws {
    let folder = try TemporaryFolder()
    let scope = MetadataScope(tenant: .default)
    // Listens, takes connections, and says nothing.
    let silent = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = try #require(silent.localAddress?.port)
    let mute = PeerChannel(ListenAddress(host: "127.0.0.1", port: port))
    await #expect(throws: PeerError.timedOut) { try await mute.call(.labelNames, [], within: .milliseconds(200)) }
    try await silent.close()
    await mute.close()
    let address = try await RunningServer.run(folder: folder, flags: Self.flags) { server in
      let channel = try Self.channel(server)
      await #expect(throws: QueryError.self) {
        try await RemoteSeriesSource(channel: channel, timeout: .nanoseconds(1)).labelNames(scope, limit: 1)
      }
      #expect(
        try await RemoteSeriesSource(channel: channel, timeout: .seconds(30)).labelNames(scope, limit: 1).elements == []
      )
      await channel.close()
      return channel.address
    }
    let channel = PeerChannel(address)
    let source = RemoteSeriesSource(channel: channel, timeout: .seconds(60))
    let gone = await Result { try await source.labelNames(scope, limit: 1) }
    guard case .failure(let error as QueryError) = gone else {
      Issue.record("a node that is gone answered")
      return
    }
    #expect(error.kind == .unavailable && error.message.contains("\(address)"))
    #expect(error.message.hasSuffix("cannot be reached: connection refused"))
    let found = try await RunningServer.run(folder: folder, flags: ["peer-listen": "\(address)"]) { _ in
      try await source.labelNames(scope, limit: 1).elements
    }
    #expect(found == [])
    await channel.close()
  }

  @Test("an answer of many messages is read as it is wanted, and one that is given up ends at both sides")
  func long() async throws {
    let folder = try TemporaryFolder()
    try await RunningServer.run(folder: folder, flags: Self.flags) { server in
      for part in 0..<4 {
        let status = try await server.remoteWrite(Self.series((part * 100)..<(part * 100 + 100), samples: 1_200)).status
        #expect(status == 204)
      }
      let channel = try Self.channel(server)
      let source = RemoteSeriesSource(channel: channel, timeout: .seconds(60))
      let selection = SeriesSelection(tenant: .default, matchers: [], range: .all)
      var samples = 0
      let cursor = try await source.select(selection)
      while let chunk = try await cursor.next() { samples += chunk.timestamps.count }
      #expect(samples == 480_000 && cursor.coverage.isComplete)
      // Given up after the first chunk, again and again: no place at the gate is left behind.
      for _ in 0..<20 { _ = try await source.select(selection).next() }
      #expect(try await source.labelNames(MetadataScope(tenant: .default), limit: 9).elements.count == 2)
      let limited = SeriesSelection(
        tenant: .default, matchers: [], range: .all, limits: SelectionLimits(series: .max, samples: 1_000))
      await #expect(throws: QueryError.self) {
        let cursor = try await source.select(limited)
        while try await cursor.next() != nil {}
      }
      await channel.close()
    }
  }
}
