import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2
import Testing

@testable import NeedletailNode

@Suite("The manners of HTTP/2") struct HTTP2MannersTests {
  private struct Frame: Equatable {
    enum Kind: UInt8 { case data, headers, reset = 3, windowUpdate = 8 }

    var kind: Kind
    var stream: UInt32
    var isLast = false
    var payload: [UInt8] = []
  }

  /// A server's connection, its client's bytes written by hand.
  private final class Connection {
    let channel = EmbeddedChannel()
    var streams: [any Channel] = []
    private var received: [UInt8] = []

    init(endsCalls: Bool = true) throws {
      let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
      let configuration = WebConnection.http2Configuration(headerBytesMax: 16_384, resetsMax: 200)
      _ = try channel.configureHTTP2Pipeline(
        mode: .server, connectionConfiguration: configuration.connection, streamConfiguration: configuration.stream
      ) { stream in
        stream.eventLoop.makeCompletedFuture {
          bound.value.streams.append(stream)
          try stream.pipeline.syncOperations.addHandlers(
            HTTP2Manners(endsCalls: endsCalls), HTTP2FramePayloadToHTTPServerCodec())
        }
      }.wait()
      try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
      try channel.writeInbound(ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
      try send(type: 4, stream: 0)
      _ = try frames()
    }

    func send(type: UInt8, flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8] = []) throws {
      var frame = ByteBuffer(bytes: [
        UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 255), UInt8(payload.count & 255),
      ])
      frame.writeInteger(type)
      frame.writeInteger(flags)
      frame.writeInteger(stream)
      frame.writeBytes(payload)
      try channel.writeInbound(frame)
    }

    /// The head of a POST, which a body follows unless it is complete.
    func begin(_ stream: UInt32, isComplete: Bool = false) throws {
      // In HPACK's static table: POST, http, /, and an authority.
      try send(type: 1, flags: isComplete ? 5 : 4, stream: stream, [0x83, 0x86, 0x84, 0x41, 1, 0x78])
    }

    /// Answers the stream that was opened last.
    func answer(_ parts: [HTTPResponsePart]) throws {
      let stream = try #require(streams.last)
      for part in parts { stream.write(part, promise: nil) }
      stream.flush()
      channel.embeddedEventLoop.run()
    }

    /// The frames of streams that were sent since they were asked for.
    func frames() throws -> [Frame] {
      channel.embeddedEventLoop.run()
      while let bytes = try channel.readOutbound(as: ByteBuffer.self) { received += Array(buffer: bytes) }
      var frames: [Frame] = []
      while received.count >= 9 {
        let length = received[0..<3].reduce(0) { $0 << 8 | Int($1) }
        let stream = received[5..<9].reduce(0) { $0 << 8 | UInt32($1) }
        if let kind = Frame.Kind(rawValue: received[3]), stream > 0 {
          let isLast = kind != .reset && kind != .windowUpdate && received[4] & 1 != 0
          frames.append(Frame(kind: kind, stream: stream, isLast: isLast, payload: Array(received[9..<9 + length])))
        }
        received.removeFirst(9 + length)
      }
      return frames
    }
  }

  private static let head = HTTPResponsePart.head(
    HTTPResponse(status: .contentTooLarge, headerFields: [.connection: "close"]))
  private static let trailers = HTTPResponsePart.end([.contentType: "x"])

  @Test("an answer with trailers to a request that is not complete tells the client that no more of it is needed")
  func earlyAnswer() throws {
    let connection = try Connection()
    try connection.begin(1)
    try connection.answer([Self.head, Self.trailers])
    let frames = try connection.frames()
    #expect(frames.map(\.kind) == [.headers, .headers, .reset] && frames.map(\.isLast) == [false, true, false])
    #expect(frames.last?.payload == [0, 0, 0, 0])
    #expect(connection.streams.allSatisfy { !$0.isActive })
  }

  @Test("an answer to a request that is complete, or without trailers, ends its stream alone")
  func answer() throws {
    let connection = try Connection()
    for (stream, isComplete, hasTrailers) in [(1, true, true), (3, false, true), (5, true, false), (7, false, false)] {
      try connection.begin(UInt32(stream), isComplete: isComplete)
      if !isComplete, hasTrailers { try connection.send(type: 0, flags: 1, stream: UInt32(stream), [1]) }
      try connection.answer([Self.head, hasTrailers ? Self.trailers : .end(nil)])
      let frames = try connection.frames().filter { $0.kind != .windowUpdate }
      #expect(frames.map(\.kind) == [.headers, hasTrailers ? .headers : .data] && frames.last?.isLast == true)
    }
  }

  @Test("a field that means something in HTTP/1.1 alone is not in the answer") func fields() throws {
    let connection = try Connection()
    try connection.begin(1, isComplete: true)
    try connection.answer([Self.head, .end(nil)])
    // The status by HPACK's table of names, and nothing else.
    #expect(try connection.frames().first?.payload.count ?? 99 < 8)
  }

  @Test("an answer for which the client has no room yet comes whole before the client is told to send no more")
  func largeAnswer() throws {
    let connection = try Connection()
    try connection.begin(1)
    try connection.answer([Self.head, .body(ByteBuffer(repeating: 7, count: 70_000)), Self.trailers])
    let first = try connection.frames()
    #expect(first.map(\.payload.count).reduce(0, +) >= 65_535 && !first.contains { $0.kind == .reset || $0.isLast })
    for stream: UInt32 in [0, 1] { try connection.send(type: 8, stream: stream, [0, 1, 0, 0]) }
    let rest = try connection.frames()
    #expect((first + rest).filter { $0.kind == .data }.map(\.payload.count).reduce(0, +) == 70_000)
    #expect(rest.suffix(2).map(\.kind) == [.headers, .reset] && rest.suffix(2).first?.isLast == true)
  }

  @Test("what was on its way when the client was told is passed over, and takes no room from later requests")
  func rest() throws {
    let connection = try Connection()
    let body = [UInt8](repeating: 7, count: 16_000)
    // As many as a client may have at once, all of them told before anything more of theirs comes.
    let streams = stride(from: UInt32(1), to: 200, by: 2)
    for stream in streams {
      try connection.begin(stream)
      try connection.answer([Self.head, Self.trailers])
      #expect(try connection.frames().map(\.kind) == [.headers, .headers, .reset])
    }
    for stream in streams {
      for flags: UInt8 in [0, 0, 1] { try connection.send(type: 0, flags: flags, stream: stream, body) }
    }
    #expect(connection.channel.isActive)
    try connection.begin(201, isComplete: true)
    try connection.answer([Self.head, .end(nil)])
    #expect(try connection.frames().map(\.kind) == [.headers, .data])
  }

  @Test("another node, which ends calls itself, is not told to") func nodes() throws {
    let connection = try Connection(endsCalls: false)
    try connection.begin(1)
    try connection.answer([Self.head, Self.trailers])
    #expect(try connection.frames().map(\.kind) == [.headers, .headers])
  }
}
