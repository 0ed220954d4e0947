import NeedletailCluster
import NeedletailEnvironment

/// The ways to all other nodes, one for each address, made when they are first asked for.
final class PeerChannels: Sendable {
  private struct Way {
    let channel: PeerChannel
    /// Messages that were not answered yet.
    var outstanding = 0
  }

  /// How many messages may be on their way to one node; what is beyond is dropped, as networks do.
  private static let outstandingMax = 256
  /// How many addresses are remembered: more than a cluster has nodes.
  private static let waysMax = 20_000

  private let make: @Sendable (ListenAddress) -> PeerChannel
  private let ways = Lock<[ListenAddress: Way]>([:])
  private let droppedCount = Lock(0)

  /// Ways that `make` makes.
  init(make: @escaping @Sendable (ListenAddress) -> PeerChannel) { self.make = make }

  /// Messages that were not even sent.
  var dropped: Int { droppedCount.withLock { $0 } }

  /// The way to an address; nil where there are too many.
  func channel(to address: ListenAddress) -> PeerChannel? {
    ways.withLock { ways in
      if let known = ways[address] { return known.channel }
      guard ways.count < Self.waysMax else { return nil }
      let channel = make(address)
      ways[address] = Way(channel: channel)
      return channel
    }
  }

  /// Sends a message that nobody waits for: whether it arrives shows in what comes back, if anything does.
  func send(_ method: PeerMethod, _ message: [UInt8], to address: PeerAddress, within timeout: Duration = .seconds(1)) {
    guard let address = ListenAddress(address.text), let channel = channel(to: address), begin(address) else {
      droppedCount.withLock { $0 += 1 }
      return
    }
    Task { await call(channel, method, message, to: address, within: timeout) }
  }

  /// Sends a message, and waits until it was heard, or for so long.
  func deliver(_ method: PeerMethod, _ message: [UInt8], to address: PeerAddress, within timeout: Duration) async {
    guard let address = ListenAddress(address.text), let channel = channel(to: address), begin(address) else {
      return droppedCount.withLock { $0 += 1 }
    }
    await call(channel, method, message, to: address, within: timeout)
  }

  private func call(
    _ channel: PeerChannel, _ method: PeerMethod, _ message: [UInt8], to address: ListenAddress,
    within timeout: Duration
  ) async {
    _ = try? await channel.call(method, message, within: timeout, answerBytesMax: 1 << 10)
    end(address)
  }

  private func begin(_ address: ListenAddress) -> Bool {
    ways.withLock { ways in
      guard let outstanding = ways[address]?.outstanding, outstanding < Self.outstandingMax else { return false }
      ways[address]?.outstanding += 1
      return true
    }
  }

  private func end(_ address: ListenAddress) { ways.withLock { $0[address]?.outstanding -= 1 } }

  /// Ends all connections.
  func close() async {
    let all = ways.withLock { ways in
      defer { ways = [:] }
      return ways.values.map(\.channel)
    }
    for channel in all { await channel.close() }
  }
}
