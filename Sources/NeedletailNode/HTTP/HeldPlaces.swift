import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailEnvironment

/// The places at the gate that a request's queries took, until its answer is written.
final class HeldPlaces: Sendable {
  private struct State {
    var places: [QueryPlace] = []
    var writingMax = Duration.zero
    /// Whether places were given back before the answer was written.
    var isGivenBack = false
  }

  private let state = Lock(State())

  func add(_ place: QueryPlace, writingAtMost limit: Duration) {
    state.withLock { state in
      state.places.append(place)
      state.writingMax = max(state.writingMax, limit)
    }
  }

  /// Gives the places back at once; how long the answer may be read stays bounded.
  func giveBack() {
    let places = state.withLock { state in
      defer { (state.places, state.isGivenBack) = ([], true) }
      return state.places
    }
    for place in places { place.leave() }
  }

  fileprivate func take() -> (places: [QueryPlace], writingMax: Duration, isGivenBack: Bool) {
    state.withLock { state in
      defer { (state.places, state.isGivenBack) = ([], false) }
      return (state.places, state.writingMax, state.isGivenBack)
    }
  }
}

/// Waits after each piece until the connection has taken it: only then is it known whether the connection has room for
/// another, and a fast writer would queue the whole body before.
private struct PacedWriter: ResponseBodyWriter {
  var base: any ResponseBodyWriter
  let eventLoop: any EventLoop

  mutating func write(_ buffer: ByteBuffer) async throws {
    try await base.write(buffer)
    try await eventLoop.submit {}.get()
  }

  consuming func finish(_ trailingHeaders: HTTPFields?) async throws { try await base.finish(trailingHeaders) }
}

extension ConnectionContext {
  /// Answers of so many bytes give their places back at once: as many as there may be connections are little memory,
  /// and most answers are smaller.
  private static let unheldMax = 16 << 10

  /// Keeps a place until the answer to this request is written or given up.
  func hold(_ place: QueryPlace, writingAtMost limit: Duration) { held.add(place, writingAtMost: limit) }

  /// Whether the connection takes an answer of so many bytes in one write with its head, without a wait: what was
  /// answered before was read, and it is one piece.
  ///
  /// Of HTTP/2 that is not known: a stream is writable for as long as nothing of it waits here, whatever the client takes.
  private func goesAtOnce(_ length: Int) -> Bool {
    let isStream = channel.parent?.parent != nil
    return !isStream && length <= ResponseBody.pieceBytes && channel.isWritable
  }

  /// The response, whose body gives the places back once it is written.
  ///
  /// The connection of a client that does not read it in time is closed: as many slow clients as there are places
  /// would stop everyone's queries for good.
  func holdingPlaces(_ response: Response) -> Response {
    let (places, limit, isGivenBack) = held.take()
    guard !places.isEmpty || isGivenBack else { return response }
    if let length = response.body.contentLength, length <= Self.unheldMax || goesAtOnce(length) {
      for place in places { place.leave() }
      return response
    }
    var response = response
    let (body, channel) = (response.body, channel)
    // From now on, not from the first byte of the body: the head alone can wait for a client that does not read.
    let deadline = channel.eventLoop.scheduleTask(in: TimeAmount(limit)) { channel.close(promise: nil) }
    response.body = ResponseBody(contentLength: body.contentLength) { writer in
      defer {
        deadline.cancel()
        for place in places { place.leave() }
      }
      try await body.write(PacedWriter(base: writer, eventLoop: channel.eventLoop))
    }
    return response
  }
}
