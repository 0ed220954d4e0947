import NIOCore
import NIOEmbedded
import Testing

@testable import NeedletailNode

@Suite("The watch over connections of HTTP/2")
struct HTTP2WatchTests {
  private func connection(_ watch: HTTP2Watch) throws -> EmbeddedChannel {
    let channel = EmbeddedChannel()
    try channel.pipeline.syncOperations.addHandler(watch)
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    return channel
  }

  @Test("a connection from which nothing comes is closed, also with a stream open") func silence() throws {
    let watch = HTTP2Watch(silenceMax: .seconds(90), idleMax: .minutes(10))
    let channel = try connection(watch)
    let stream = EmbeddedChannel(loop: channel.embeddedEventLoop)
    watch.opened(stream)
    channel.embeddedEventLoop.advanceTime(by: .seconds(80))
    try channel.writeInbound(ByteBuffer(string: "x"))
    channel.embeddedEventLoop.advanceTime(by: .seconds(80))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(30))
    #expect(!channel.isActive)
    _ = try? stream.finish()
  }

  @Test("a connection that answers pings but has no streams is closed after a while, one in use is not")
  func idle() throws {
    for hasStream in [false, true] {
      let watch = HTTP2Watch(silenceMax: .seconds(90), idleMax: .minutes(10))
      let channel = try connection(watch)
      let stream = EmbeddedChannel(loop: channel.embeddedEventLoop)
      if hasStream { watch.opened(stream) }
      for _ in 0..<12 {
        channel.embeddedEventLoop.advanceTime(by: .minutes(1))
        if channel.isActive { try channel.writeInbound(ByteBuffer(string: "pong")) }
      }
      #expect(channel.isActive == hasStream)
      _ = try? channel.finish()
      _ = try? stream.finish()
    }
  }

  /// Notices that a client is asked to go.
  private final class Asked: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var count = 0

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if event is ChannelShouldQuiesceEvent { count += 1 }
    }
  }

  @Test("an idle connection's client is asked to go before it is closed, and a stream on its way is served")
  func asksFirst() throws {
    for hasStream in [false, true] {
      let watch = HTTP2Watch(silenceMax: .minutes(100), idleMax: .minutes(6))
      let channel = try connection(watch)
      let asked = Asked()
      try channel.pipeline.syncOperations.addHandler(asked)
      channel.embeddedEventLoop.advanceTime(by: .minutes(7))
      #expect(asked.count == 1 && channel.isActive)
      let stream = EmbeddedChannel(loop: channel.embeddedEventLoop)
      try stream.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
      if hasStream { watch.opened(stream) }
      channel.embeddedEventLoop.advanceTime(by: .seconds(1))
      #expect(channel.isActive == hasStream)
      stream.close(promise: nil)
      channel.embeddedEventLoop.advanceTime(by: .minutes(8))
      #expect(asked.count == 1 && !channel.isActive)
    }
  }

  @Test("when the server shuts down, a connection without streams does not wait for its client") func shutdown() throws
  {
    let watch = HTTP2Watch()
    let channel = try connection(watch)
    channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
  }

  @Test("a client that sends nothing more, its connection half closed, is gone: nobody waits for its streams")
  func halfClosed() throws {
    let watch = HTTP2Watch()
    let channel = try connection(watch)
    let stream = EmbeddedChannel(loop: channel.embeddedEventLoop)
    watch.opened(stream)
    channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    #expect(!channel.isActive)
    _ = try? stream.finish()
  }
}
