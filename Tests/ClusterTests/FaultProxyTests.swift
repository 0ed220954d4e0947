import Foundation
import NIOCore
import NeedletailProcesses
import Testing

@Suite("The fault proxy", .timeLimit(.minutes(2)))
struct FaultProxyTests {
  /// A node "b" that says everything back, and the ways of the nodes "a" and "c" to it, through the proxy.
  private struct Wire {
    let proxy: FaultProxy
    let server: Talker
    let listener: any Channel
    let a: (talker: Talker, channel: any Channel)
    let c: (talker: Talker, channel: any Channel)
    let port: Int
    let ofA: Set<Int>
    let spare: Int

    init() async throws {
      let ports = try FreePorts.take(5)
      let ofA: Set = [ports[2], ports[4]]
      self.ofA = ofA
      spare = ports[4]
      port = ports[1]
      proxy = FaultProxy { port, _ in ofA.contains(port) ? "a" : "c" }
      (server, listener) = try await Talker.listen(ports[0])
      try await proxy.open("b", port: ports[1], target: ports[0])
      a = try await Talker.connect(ports[1], from: ports[2])
      c = try await Talker.connect(ports[1], from: ports[3])
    }

    /// What `c` says goes there and back: nothing is wrong with its link, and time has passed.
    func other(_ text: String) async throws {
      let before = c.talker.received
      try await c.channel.say(text)
      try await eventually(seconds: 20, "c has its answer") { c.talker.received == before + text }
    }

    func close() async throws {
      try await proxy.close()
      try? await listener.close()
    }
  }

  private static let there = Link(from: "a", to: "b")

  @Test("passes everything on both ways and closes what was closed")
  func whole() async throws {
    let wire = try await Wire()
    let text = String(repeating: "0123456789", count: 100_000)
    try await wire.a.channel.say(text)
    try await eventually(seconds: 30, "all is back") { wire.a.talker.received == text }
    try await wire.a.channel.close()
    try await wire.other("still")
    let figures = try await wire.proxy.figures()
    #expect(figures.connections == 2 && figures.strangers == 0 && figures.lostBytes == 0)
    #expect(figures.passedBytes == 2 * text.utf8.count + 10)
    try await wire.close()
  }

  @Test("holds what goes one way and delivers it when the fault ends, on the same connection")
  func held() async throws {
    for link in [Self.there, Self.there.reversed] {
      let wire = try await Wire()
      try await wire.proxy.set(.held, on: [link])
      try await wire.a.channel.say("one")
      try await wire.other("1")
      try await wire.other("2")
      #expect(wire.a.talker.received == "" && !wire.a.talker.isClosed)
      if link == Self.there { #expect(wire.server.received == "12") }
      if link != Self.there {
        try await eventually(seconds: 20, "it was heard") { wire.server.received.contains("one") }
      }
      try await wire.proxy.heal()
      try await eventually(seconds: 20, "the answer arrives") { wire.a.talker.received == "one" }
      #expect(!wire.a.talker.isClosed)
      try await wire.close()
    }
  }

  @Test("swallows what goes one way, and resets what lost something when the fault ends")
  func swallowed() async throws {
    let wire = try await Wire()
    try await wire.proxy.set(.swallowed, on: [Self.there.reversed])
    try await wire.a.channel.say("one")
    try await eventually(seconds: 20, "it was heard") { wire.server.received.contains("one") }
    try await wire.other("1")
    #expect(wire.a.talker.received == "" && !wire.a.talker.isClosed)
    try await wire.proxy.heal()
    try await eventually(seconds: 20, "the connection is reset") { wire.a.talker.isClosed }
    #expect(wire.a.talker.received == "" && !wire.c.talker.isClosed)
    #expect(try await wire.proxy.figures().lostBytes == 3)
    try await wire.close()
  }

  @Test("resets connections of a link that is refused, and new ones, and no others")
  func refused() async throws {
    let wire = try await Wire()
    try await wire.a.channel.say("one")
    try await eventually(seconds: 20, "the answer arrives") { wire.a.talker.received == "one" }
    try await wire.proxy.part(["a"], from: ["b"])
    try await eventually(seconds: 20, "the connection is reset") { wire.a.talker.isClosed }
    // The reset comes while it connects, or a moment later.
    let again = try? await Talker.connect(wire.port, from: wire.spare)
    try await eventually(seconds: 20, "the new one is reset") { again?.talker.isClosed ?? true }
    #expect(again?.talker.received ?? "" == "")
    try await wire.other("1")
    try await wire.close()
  }

  @Test("leaves one side of a connection open when the other is reset, until the faults end")
  func halfOpen() async throws {
    let wire = try await Wire()
    try await wire.a.channel.say("one")
    try await eventually(seconds: 20, "the answer arrives") { wire.a.talker.received == "one" }
    try await wire.proxy.leaveHalfOpen(for: "a", from: "b")
    try await wire.a.channel.say("two")
    try await wire.other("1")
    #expect(wire.a.talker.received == "one" && !wire.a.talker.isClosed && !wire.server.received.contains("two"))
    try await wire.proxy.heal()
    try await eventually(seconds: 20, "the connection is reset") { wire.a.talker.isClosed }
    try await wire.close()
  }

  @Test("delays and slows down without losing order")
  func delayedAndSlow() async throws {
    let wire = try await Wire()
    try await wire.proxy.set(.delayed(milliseconds: 200), on: [Self.there])
    let began = ContinuousClock.now
    try await wire.a.channel.say("one")
    try await wire.a.channel.say("two")
    try await eventually(seconds: 20, "both arrive") { wire.a.talker.received == "onetwo" }
    #expect(ContinuousClock.now - began >= .milliseconds(199))
    try await wire.proxy.set(.slow(bytesPerSecond: 20_000), on: [Self.there])
    let text = String(repeating: "0123456789", count: 1000)
    let slowly = ContinuousClock.now
    try await wire.a.channel.say(text)
    try await eventually(seconds: 20, "all arrives") { wire.a.talker.received == "onetwo" + text }
    #expect(ContinuousClock.now - slowly >= .milliseconds(400))
    try await wire.close()
  }

  @Test("finds out which process opened a connection", .enabled(if: SocketOwner.isKnown))
  func owner() async throws {
    let ports = try FreePorts.take(2)
    let (_, listener) = try await Talker.listen(ports[0])
    let (_, channel) = try await Talker.connect(ports[0], from: ports[1])
    let own = ProcessInfo.processInfo.processIdentifier
    #expect(SocketOwner.find(port: ports[1], target: ports[0], among: [1 << 30, own]) == own)
    #expect(SocketOwner.find(port: ports[1], target: ports[0], among: [1 << 30]) == nil)
    #expect(SocketOwner.find(port: ports[1], target: 1, among: [own]) == nil)
    try await channel.close()
    try await listener.close()
  }

  @Test("is given the same plan by the same seed, with every kind of fault")
  func plans() {
    let nodes = ["n1", "n2", "n3", "n4", "n5"]
    let plan = FaultPlan(nodes: nodes, steps: 10, milliseconds: 100...900, seed: 7)
    #expect(plan.description == FaultPlan(nodes: nodes, steps: 10, milliseconds: 100...900, seed: 7).description)
    #expect(plan.description != FaultPlan(nodes: nodes, steps: 10, milliseconds: 100...900, seed: 8).description)
    #expect(plan.steps.allSatisfy { !$0.links.isEmpty && $0.links.allSatisfy { $0.from != $0.to } })
    for fault in [LinkFault.refused, .swallowed, .held] { #expect(plan.steps.contains { $0.fault == fault }) }
  }
}
