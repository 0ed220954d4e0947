import Tracing

/// The tracer that swift-distributed-tracing is given.
struct TelemetryTracer: Tracer {
  let recorder: SpanRecorder

  func startSpan<Instant: TracerInstant>(
    _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
    at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
  ) -> TelemetrySpan {
    let parentContext = context()
    let parent = parentContext.needletailSpanContext
    // A child of a trace that is not recorded needs no identity of its own: what it calls continues the parent. So it
    // costs neither an allocation nor a clock.
    if let parent, !parent.isSampled, !recorder.sampler.samples(parent: parent, traceIDLow: parent.traceIDLow) {
      return TelemetrySpan(context: parentContext, storage: nil)
    }
    let traceID = parent.map { ($0.traceIDHigh, $0.traceIDLow) } ?? recorder.identifiers.nextTraceID()
    let isSampled = recorder.isEnabled && recorder.sampler.samples(parent: parent, traceIDLow: traceID.1)
    let spanContext = Needletail.SpanContext(
      traceIDHigh: traceID.0, traceIDLow: traceID.1, spanID: recorder.identifiers.nextNumber(),
      // Bit 1: our trace ids are random, so others may sample by them; of another's id we know what it said.
      flags: (isSampled ? 1 : 0) | (parent.map { $0.flags & 2 } ?? 2), traceState: parent?.traceState ?? "",
      isRemote: false)
    var spanServiceContext = parentContext
    spanServiceContext[Needletail.SpanContextKey.self] = spanContext
    guard isSampled else { return TelemetrySpan(context: spanServiceContext, storage: nil) }
    return TelemetrySpan(
      context: spanServiceContext,
      storage: SpanStorage(
        recorder: recorder, name: operationName, spanContext: spanContext, parent: parent, kind: kind,
        start: instant().nanosecondsSinceEpoch))
  }

  func forceFlush() { recorder.queue.requestFlush() }

  func inject<Carrier, Inject>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
  where Inject: Injector, Inject.Carrier == Carrier {
    if let spanContext = context.needletailSpanContext {
      injector.inject(TraceParent.write(spanContext), forKey: "traceparent", into: &carrier)
      if !spanContext.traceState.isEmpty {
        injector.inject(spanContext.traceState, forKey: "tracestate", into: &carrier)
      }
    }
    if let baggage = context[Needletail.BaggageKey.self] {
      injector.inject(baggage.header, forKey: "baggage", into: &carrier)
    }
  }

  func extract<Carrier, Extract>(_ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract)
  where Extract: Extractor, Extract.Carrier == Carrier {
    if let header = extractor.extract(key: "traceparent", from: carrier),
      let spanContext = TraceParent.read(
        header.trimmingSpaces, traceState: extractor.extract(key: "tracestate", from: carrier))
    {
      context[Needletail.SpanContextKey.self] = spanContext
    }
    if let header = extractor.extract(key: "baggage", from: carrier) {
      let baggage = Needletail.Baggage(header: header)
      if !baggage.isEmpty { context[Needletail.BaggageKey.self] = baggage }
    }
  }
}

/// What all spans of one SDK instance share.
final class SpanRecorder: Sendable {
  let sampler: Needletail.Sampler
  let limits: Needletail.Configuration.Limits
  let isEnabled: Bool
  let queue: RecordQueue
  let identifiers: IdentifierGenerator

  init(configuration: Needletail.Configuration, queue: RecordQueue, identifiers: IdentifierGenerator) {
    sampler = configuration.sampler
    limits = configuration.limits
    isEnabled = configuration.traces.isEnabled
    self.queue = queue
    self.identifiers = identifiers
  }
}
