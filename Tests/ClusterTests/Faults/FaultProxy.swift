import NIOCore
import NIOPosix

/// Stands between the nodes of a cluster: each is reached through a port of the proxy, which does to what flows from one
/// node to another whatever the fault of that link says.
///
/// Everything of it happens on one event loop.
final class FaultProxy: Sendable {
  /// What went through it so far.
  struct Figures: Sendable {
    var connections = 0
    /// Connections of which it was not found out who opened them.
    var strangers = 0
    var passedBytes = 0
    var lostBytes = 0
    var resets = 0
  }

  private struct State {
    var faults: [Link: LinkFault] = [:]
    var connections: [ObjectIdentifier: FaultConnection] = [:]
    var listeners: [any Channel] = []
    var figures = Figures()
  }

  /// Who is at the other end of an accepted connection: the port that it comes from and the proxy's own, to a node's name.
  typealias Recognise = @Sendable (_ port: Int, _ target: Int) -> String?

  private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  private let loop: any EventLoop
  private let state: NIOLoopBoundBox<State>
  private let recognise: Recognise

  init(_ recognise: @escaping Recognise) {
    loop = group.next()
    state = NIOLoopBoundBox.makeBoxSendingValue(State(), eventLoop: loop)
    self.recognise = recognise
  }

  /// Takes connections to `node` on the loopback port `port` and leads them to `target`.
  func open(_ node: String, port: Int, target: Int) async throws {
    let listener = try await ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try self.accept(channel, for: node, port: port, target: target) }
      }
      .bind(host: "127.0.0.1", port: port).get()
    try await loop.submit { self.state.value.listeners.append(listener) }.get()
  }

  /// Sets, or with nil ends, the fault of links.
  func set(_ fault: LinkFault?, on links: [Link]) async throws {
    try await loop.submit {
      for link in links { self.state.value.faults[link] = fault }
      self.apply()
    }.get()
  }

  /// Cuts the nodes of one set off from those of another, both ways.
  func part(_ some: [String], from others: [String], _ fault: LinkFault = .refused) async throws {
    let links = some.flatMap { one in others.map { Link(from: one, to: $0) } }
    try await set(fault, on: links + links.map(\.reversed))
  }

  /// Resets the far side of every connection between two nodes and leaves `node` with its own open.
  func leaveHalfOpen(for node: String, from other: String) async throws {
    try await loop.submit {
      for connection in self.state.value.connections.values {
        guard let link = connection.there.link, Set([link.from, link.to]) == [node, other] else { continue }
        connection.leaveHalfOpen(for: node)
      }
    }.get()
  }

  /// Ends all faults.
  func heal() async throws {
    try await loop.submit {
      self.state.value.faults = [:]
      self.apply()
    }.get()
  }

  func figures() async throws -> Figures {
    try await loop.submit {
      self.state.value.connections.values.reduce(into: self.state.value.figures) { Self.add($1, to: &$0) }
    }.get()
  }

  func close() async throws {
    try await loop.submit {
      for listener in self.state.value.listeners { listener.close(promise: nil) }
      for connection in self.state.value.connections.values { connection.reset() }
    }.get()
    try await group.shutdownGracefully()
  }

  /// Tells every connection what is wrong with its link now, and resets those that cannot go on.
  private func apply() {
    let faults = state.value.faults
    for connection in state.value.connections.values {
      let flows = connection.flows
      let now = flows.map { flow in flow.link.flatMap { faults[$0] } }
      if now.contains(.refused) || connection.isBroken && !now.contains(where: { $0?.isSilent == true }) {
        state.value.figures.resets += 1
        connection.reset()
        continue
      }
      for (flow, fault) in zip(flows, now) { flow.change(fault) }
    }
  }

  private func accept(_ channel: any Channel, for node: String, port: Int, target: Int) throws {
    let from = channel.remoteAddress?.port.flatMap { recognise($0, port) }
    let link = from.map { Link(from: $0, to: node) }
    let fault = link.flatMap { state.value.faults[$0] }
    let connection = FaultConnection(channel, link: link, fault: fault)
    state.value.figures.connections += 1
    if link == nil { state.value.figures.strangers += 1 }
    state.value.connections[ObjectIdentifier(connection)] = connection
    let isRefused = fault == .refused || link.flatMap { state.value.faults[$0.reversed] } == .refused
    try channel.pipeline.syncOperations.addHandler(handler(connection, isRefused: isRefused))
    if isRefused { return }
    let bound = NIOLoopBound(connection, eventLoop: loop)
    ClientBootstrap(group: loop)
      .channelOption(.socketOption(.tcp_nodelay), value: 1)
      .channelInitializer { other in
        other.eventLoop.makeCompletedFuture {
          try other.pipeline.syncOperations.addHandler(self.handler(bound.value))
        }
      }
      .connect(host: "127.0.0.1", port: target).whenComplete { self.connected(bound.value, $0) }
  }

  private func connected(_ connection: FaultConnection, _ outcome: Result<any Channel, any Error>) {
    switch outcome {
    case .success(let channel):
      let fault = connection.there.link.flatMap { state.value.faults[$0.reversed] }
      connection.lead(to: channel, fault: fault)
      if !connection.opened.isActive { connection.there.end() }
    case .failure: connection.reset()
    }
  }

  private func handler(_ connection: FaultConnection, isRefused: Bool = false) -> FaultHandler {
    FaultHandler(connection, isRefused: isRefused) { [state] in
      guard connection.isOver, state.value.connections.removeValue(forKey: ObjectIdentifier(connection)) != nil
      else { return }
      Self.add(connection, to: &state.value.figures)
    }
  }

  private static func add(_ connection: FaultConnection, to figures: inout Figures) {
    for flow in connection.flows {
      figures.passedBytes += flow.passedBytes
      figures.lostBytes += flow.lostBytes
    }
  }
}
