import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailTelemetry
import Testing

@testable import NeedletailNode

@Suite("Connections between nodes")
struct PeerConnectionTests {
  private static let flags = ["peer-listen": "127.0.0.1:0"]
  private static let everything = SeriesSelection(tenant: .default, matchers: [], range: .all)

  /// A port that takes connections, says the same to each and nothing after it; how many came is counted.
  private final class Listener: Sendable {
    private let bytes: [UInt8]
    private let count = Lock(0)
    private let channel = Lock<(any Channel)?>(nil)

    init(saying bytes: [UInt8]) { self.bytes = bytes }

    var accepted: Int { count.withLock { $0 } }

    func bind() async throws -> ListenAddress {
      let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .childChannelInitializer { [self] child in
          count.withLock { $0 += 1 }
          // When it is active, which it is not yet.
          child.eventLoop.execute { child.writeAndFlush(ByteBuffer(bytes: self.bytes), promise: nil) }
          return child.eventLoop.makeSucceededVoidFuture()
        }
        .bind(host: "127.0.0.1", port: 0).get()
      self.channel.withLock { $0 = channel }
      return ListenAddress(host: "127.0.0.1", port: try #require(channel.localAddress?.port))
    }

    func close() async throws { try await channel.withLock { $0 }?.close() }
  }

  @Test("a connection on which nothing came in for the time of a call is given up: the next call makes another")
  func dead() async throws {
    let listener = Listener(saying: [])
    let address = try await listener.bind()
    let channel = PeerChannel(address)
    // On a busy machine the time of a call may be over before it has its connection.
    for _ in 0..<200 where listener.accepted < 3 {
      await #expect(throws: PeerError.timedOut) { try await channel.call(.labelNames, [], within: .milliseconds(50)) }
    }
    #expect(listener.accepted >= 3)
    await channel.close()
    try await listener.close()
  }

  @Test("a connection that takes no new calls fails those at once, and the next call makes another")
  func goingAway() async throws {
    let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    // The last call that it takes is none.
    let goAway: [UInt8] = [0, 0, 8, 7, 0, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 8)
    let listener = Listener(saying: settings + goAway)
    let address = try await listener.bind()
    let channel = PeerChannel(address)
    // A call may come between what ends the one before and what ends the connection.
    for _ in 0..<1_000 where listener.accepted < 3 {
      let result = await Result { try await channel.call(.labelNames, [], within: .seconds(600)) }
      guard case .failure(let error as PeerError) = result, case .unreachable = error else {
        Issue.record("\(result)")
        break
      }
    }
    #expect(listener.accepted >= 3)
    await channel.close()
    try await listener.close()
  }

  @Test("all calls that stay open hear that it takes no new ones, and it stays for those that still wait for something")
  func retired() {
    let watch = PeerConnectionWatch()
    let told = Lock<[Int]>([])
    _ = watch.whenRetired {
      told.withLock { $0.append(1) }
      watch.began()
    }
    let second = watch.whenRetired { told.withLock { $0.append(2) } }
    _ = watch.whenRetired { told.withLock { $0.append(3) } }
    watch.forget(second)
    #expect(!watch.retire())
    #expect(told.withLock { $0.sorted() } == [1, 3])
    // Each once, and who comes later at once.
    #expect(!watch.retire())
    _ = watch.whenRetired { told.withLock { $0.append(4) } }
    #expect(told.withLock { $0.sorted() } == [1, 3, 4])
    #expect(watch.ended())
  }

  @Test("all who wait for a connection that cannot be made are told at once, and those who come later as well")
  func refused() async throws {
    let listener = Listener(saying: [])
    let address = try await listener.bind()
    try await listener.close()
    let channel = PeerChannel(address)
    for _ in 0..<2 {
      let failed = await withTaskGroup(of: Bool.self) { group in
        for _ in 0..<50 {
          group.addTask {
            do throws(PeerError) {
              _ = try await channel.call(.labelNames, [], within: .seconds(600))
              return false
            } catch {
              guard case .unreachable = error else { return false }
              return true
            }
          }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(failed == 50)
    }
    await channel.close()
    await #expect(throws: PeerError.self) { try await channel.call(.labelNames, [], within: .seconds(600)) }
  }

  @Test("whoever waits for a connection and is cancelled waits no longer, though others still do")
  func cancelled() async throws {
    let listener = Listener(saying: [])
    let address = try await listener.bind()
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let blocked = DispatchSemaphore(value: 0)
    group.next().execute { blocked.wait() }
    let channel = PeerChannel(address, group: group)
    let patient = Task { await Result { try await channel.call(.labelNames, [], within: .milliseconds(1)) } }
    let impatient = Task { await Result { try await channel.call(.labelNames, [], within: .seconds(600)) } }
    impatient.cancel()
    guard case .failure(let error as PeerError) = await impatient.value, error == .givenUp else {
      Issue.record("it was not given up")
      return
    }
    #expect(listener.accepted == 0)
    blocked.signal()
    guard case .failure(let late as PeerError) = await patient.value, late == .timedOut else {
      Issue.record("the other one is told something else")
      return
    }
    await channel.close()
    try await group.shutdownGracefully()
    try await listener.close()
  }

  @Test("over TLS a node is known by the name or the address of its certificate, and by no other certificate")
  func tls() async throws {
    let folder = try TemporaryFolder()
    let flags = try SelfSigned.settings(in: folder).merging(Self.flags) { $1 }
    _ = try SelfSigned.settings(in: folder, name: "other")
    try await RunningServer.run(folder: folder, flags: flags) { server async throws -> Void in
      let port = try #require(server.addresses.peers).port
      for (host, name, isKnown) in [
        ("localhost", "server", true), ("127.0.0.1", "server", true), ("localhost", "other", false),
      ] {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file("\(folder.path)/\(name).pem")
        let channel = PeerChannel(ListenAddress(host: host, port: port), tls: try PeerTLS(configuration))
        let source = RemoteSeriesSource(channel: channel, timeout: .seconds(60))
        let names = await Result { try await source.labelNames(MetadataScope(tenant: .default), limit: 1).elements }
        #expect(((try? names.get()) != nil) == isKnown, "\(host) \(name): \(names)")
        await channel.close()
      }
    }
  }

  @Test("a question that cannot be read is refused as such, and as nothing that came from inside")
  func malformed() async throws {
    try await RunningServer.run(folder: try TemporaryFolder(), flags: Self.flags) { server in
      let channel = PeerChannel.patient(try #require(server.addresses.peers))
      for method in PeerMethod.allCases where !method.isOfCluster {
        let result = await Result { try await channel.call(method, [99], within: .seconds(60)) }
        guard case .failure(let error as PeerError) = result, case .refused(let code, _, _) = error else {
          Issue.record("\(method): \(result)")
          continue
        }
        #expect(code == GRPCStatus.Code.invalidArgument.rawValue, "\(method)")
      }
      await channel.close()
    }
  }

  @Test("questions of other nodes take no place of users' queries, and calls given up by the hundred end nobody's")
  func gates() async throws {
    let flags = Self.flags.merging(["query-concurrency": "1", "query-timeout": "20m"]) { $1 }
    let now = Int64(Date().timeIntervalSince1970) * 1000
    try await RunningServer.run(folder: try TemporaryFolder(), flags: flags) { server in
      for part in 0..<4 {
        let series = (0..<100).map { number in
          TestSeries(
            labels: [("__name__", "requests"), ("number", "\(part * 100 + number)")],
            samples: (0..<1_200).map { (now - Int64(1_200 - $0) * 1_000, Double(number * $0)) })
        }
        #expect(try await server.remoteWrite(series).status == 204)
      }
      let channel = PeerChannel.patient(try #require(server.addresses.peers))
      let source = RemoteSeriesSource(channel: channel, timeout: .seconds(600))
      // Keeps the only place that other nodes have for as long as it is not read on.
      let held = try await source.select(Self.everything)
      _ = try await held.next()
      #expect(try await server.instant("count(requests)", at: now) == ["": "400"])
      for _ in 0..<300 {
        let stream = try await channel.open(
          .select, try SelectionMessage.encode(Self.everything), within: .seconds(600), messageBytesMax: 8 << 20)
        stream.cancel()
      }
      while try await held.next() != nil {}
      #expect(try await source.labelNames(MetadataScope(tenant: .default), limit: 9).elements.count == 2)
      await channel.close()
    }
  }
}
