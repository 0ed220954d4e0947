// A span that is not recorded is a context and nothing else. A recorded one has one object. Events and links, which cannot
// change once they are said, are encoded there and then; attributes, which the façade lets a caller overwrite, wait
// until the end, when the whole record goes into the queue as one append.

import NeedletailOTLP
import Synchronization
import Tracing

/// The span that swift-distributed-tracing is given.
struct TelemetrySpan: Tracing.Span {
  let context: ServiceContext
  /// Nil when the span is not recorded.
  let storage: SpanStorage?

  var isRecording: Bool { storage?.state.withLock { !$0.isEnded } ?? false }

  var operationName: String {
    get { storage?.state.withLock { $0.name } ?? "" }
    nonmutating set {
      storage?.state.withLock { if !$0.isEnded { $0.name = newValue } }
    }
  }

  var attributes: SpanAttributes {
    get { storage?.state.withLock { $0.attributes } ?? [:] }
    nonmutating set {
      storage?.state.withLock { if !$0.isEnded { $0.attributes = newValue } }
    }
    nonmutating _modify {
      // Taken out while it is changed, so that the dictionary has one owner and is not copied for each attribute. Whoever
      // else sets attributes meanwhile is merged in.
      var taken: SpanAttributes = storage?.takeAttributes() ?? [:]
      defer { storage?.putBack(taken) }
      yield &taken
    }
  }

  func setStatus(_ status: SpanStatus) {
    storage?.state.withLock { state in
      // "Ok" is final (specification, "Set Status").
      if state.isEnded || state.statusCode == .ok { return }
      state.statusCode = status.code == .ok ? .ok : .error
      state.statusMessage = status.code == .ok ? "" : status.message ?? ""
    }
  }

  func addEvent(_ event: SpanEvent) {
    storage?.addEvent(event.name, nanoseconds: event.nanosecondsSinceEpoch) { writer, limits in
      _ = writer.attributes(SpanField.eventAttributes, event.attributes, limits: limits)
    }
  }

  func recordError<Instant: TracerInstant>(
    _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
  ) {
    guard let storage else { return }
    let type = String(reflecting: Swift.type(of: error))
    let message = String(describing: error)
    storage.addEvent("exception", nanoseconds: instant().nanosecondsSinceEpoch) { writer, limits in
      writer.attribute(SpanField.eventAttributes, "exception.type", type)
      writer.attribute(
        SpanField.eventAttributes, "exception.message", message.truncated(toBytes: limits.textBytes))
      _ = writer.attributes(SpanField.eventAttributes, attributes, limits: limits)
    }
  }

  func addLink(_ link: SpanLink) {
    guard let storage, let target = link.context.needletailSpanContext else { return }
    storage.addLink(to: target, attributes: link.attributes)
  }

  func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
    storage?.end(nanoseconds: instant().nanosecondsSinceEpoch)
  }
}

/// A recorded span until it ends.
final class SpanStorage: Sendable {
  struct State {
    var name: String
    var attributes = SpanStorage.roomyAttributes
    var statusCode: SpanStatusCode = .unset
    var statusMessage = ""
    /// Events and links, encoded.
    var encoded = ProtobufWriter()
    var eventCount = 0
    var linkCount = 0
    var isEnded = false
  }

  /// No attributes, with room for some: a dictionary keeps its capacity when it is emptied and when it is copied, so the
  /// first attribute of a span costs one allocation and the next ones no growth and no rehashing.
  private static let roomyAttributes: SpanAttributes = {
    var attributes: SpanAttributes = [:]
    for index in 0..<8 { attributes["\(index)"] = index }
    for index in 0..<8 { attributes["\(index)"] = Int?.none }
    return attributes
  }()

  let state: Mutex<State>
  private let recorder: SpanRecorder
  private let spanContext: Needletail.SpanContext
  private let parent: Needletail.SpanContext?
  private let kind: SpanKind
  private let start: UInt64

  init(
    recorder: SpanRecorder, name: String, spanContext: Needletail.SpanContext, parent: Needletail.SpanContext?,
    kind: SpanKind, start: UInt64
  ) {
    self.recorder = recorder
    self.spanContext = spanContext
    self.parent = parent
    self.kind = kind
    self.start = start
    state = Mutex(State(name: name))
  }

  /// The attributes, which the span is without until they are set again.
  func takeAttributes() -> SpanAttributes {
    state.withLock { state -> SpanAttributes in
      let attributes = state.attributes
      state.attributes = [:]
      return attributes
    }
  }

  /// Sets attributes that were taken out, under those that were set meanwhile.
  func putBack(_ attributes: SpanAttributes) {
    state.withLock { state in
      if state.isEnded { return }
      let setMeanwhile = state.attributes
      state.attributes = attributes
      if !setMeanwhile.isEmpty { state.attributes.merge(setMeanwhile) }
    }
  }

  func addEvent(
    _ name: String, nanoseconds: UInt64,
    attributes: (inout ProtobufWriter, Needletail.Configuration.Limits) -> Void
  ) {
    let limits = recorder.limits
    let isKept = state.withLock { state in
      if state.isEnded { return false }
      state.eventCount += 1
      return state.eventCount <= limits.events
    }
    guard isKept else { return }
    appendEncoded {
      $0.spanEvent(name: name.truncated(toBytes: limits.textBytes), nanoseconds: nanoseconds) {
        attributes(&$0, limits)
      }
    }
  }

  /// Encodes outside of the lock: an attribute's `description` is code of the host, and may touch this very span.
  private func appendEncoded(_ encode: (inout ProtobufWriter) -> Void) {
    var writer = ProtobufWriter()
    encode(&writer)
    let bytes = writer.bytes
    state.withLock { if !$0.isEnded { $0.encoded.raw(bytes) } }
  }

  func addLink(to target: Needletail.SpanContext, attributes: SpanAttributes) {
    let limits = recorder.limits
    let isKept = state.withLock { state in
      if state.isEnded { return false }
      state.linkCount += 1
      return state.linkCount <= limits.links
    }
    guard isKept else { return }
    appendEncoded {
      $0.spanLink(
        traceIDHigh: target.traceIDHigh, traceIDLow: target.traceIDLow, spanID: target.spanID,
        traceState: target.traceState, flags: Self.flags(of: target.flags, remote: target.isRemote)
      ) { _ = $0.attributes(SpanField.linkAttributes, attributes, limits: limits) }
    }
  }

  func end(nanoseconds: UInt64) {
    let ended: State? = state.withLock { state in
      if state.isEnded { return nil }
      state.isEnded = true
      let ended = state
      state.attributes = [:]
      state.encoded = ProtobufWriter()
      return ended
    }
    if let ended { recorder.queue.append(encode(ended, end: nanoseconds)) }
  }

  private func encode(_ ended: State, end: UInt64) -> [UInt8] {
    let limits = recorder.limits
    var writer = ProtobufWriter(capacity: 256 + ended.encoded.count)
    writer.spanHeader(
      SpanHeader(
        traceIDHigh: spanContext.traceIDHigh, traceIDLow: spanContext.traceIDLow, spanID: spanContext.spanID,
        parentSpanID: parent?.spanID ?? 0, traceState: spanContext.traceState,
        flags: Self.flags(of: spanContext.flags, remote: parent?.isRemote ?? false), kind: kind.otlp,
        startNanoseconds: start,
        // The wall clock may have been set back meanwhile.
        endNanoseconds: max(start, end)))
    writer.spanName(ended.name.truncated(toBytes: limits.textBytes))
    let dropped = writer.attributes(SpanField.attributes, ended.attributes, limits: limits)
    writer.raw(ended.encoded.bytes)
    writer.spanDropped(
      attributes: dropped, events: max(0, ended.eventCount - limits.events),
      links: max(0, ended.linkCount - limits.links))
    writer.spanStatus(ended.statusCode, message: ended.statusMessage.truncated(toBytes: limits.textBytes))
    return writer.bytes
  }

  /// OTLP's span flags: the W3C flags, bit 8 "whether remote is known", bit 9 "remote".
  private static func flags(of traceFlags: UInt8, remote: Bool) -> UInt32 {
    UInt32(traceFlags) | 0x100 | (remote ? 0x200 : 0)
  }
}

extension SpanKind {
  /// `Span.SpanKind`.
  fileprivate var otlp: UInt8 {
    switch self {
    case .internal: 1
    case .server: 2
    case .client: 3
    case .producer: 4
    case .consumer: 5
    }
  }
}
