import Tracing

extension Needletail {
  /// What identifies a span wherever its trace goes (W3C Trace Context).
  public struct SpanContext: Sendable, Hashable {
    /// The high 64 bits of the trace id.
    public let traceIDHigh: UInt64
    /// The low 64 bits of the trace id.
    public let traceIDLow: UInt64
    /// The span id.
    public let spanID: UInt64
    /// The W3C trace flags; bit 0 says that the trace is recorded.
    public let flags: UInt8
    /// The W3C `tracestate`, carried along as it came; empty when there is none.
    public let traceState: String
    /// Whether the span is another process's.
    public let isRemote: Bool

    /// Whether the trace is recorded.
    public var isSampled: Bool { flags & 1 == 1 }

    /// The trace id: 32 lower-case hexadecimal digits.
    public var traceID: String {
      var bytes: [UInt8] = []
      Hexadecimal.append(traceIDHigh, to: &bytes)
      Hexadecimal.append(traceIDLow, to: &bytes)
      return String(decoding: bytes, as: UTF8.self)
    }
  }

  enum SpanContextKey: ServiceContextKey {
    typealias Value = SpanContext
    static var nameOverride: String? { "needletail-span-context" }
  }
}

extension ServiceContext {
  /// The span that this context belongs to; nil outside any span.
  public var needletailSpanContext: Needletail.SpanContext? { self[Needletail.SpanContextKey.self] }
}
