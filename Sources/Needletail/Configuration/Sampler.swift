extension Needletail {
  /// Decides, when a span starts, whether it is recorded.
  ///
  /// The decision for a root depends on the trace id alone, so services that share a ratio agree without talking.
  public struct Sampler: Sendable, Equatable {
    private enum Root: Sendable, Equatable {
      case always
      case never
      case below(UInt64)
    }

    private var root: Root
    private var respectsParent: Bool

    /// Records every span.
    public static let alwaysOn = Sampler(root: .always, respectsParent: false)

    /// Records no span; contexts still travel.
    public static let alwaysOff = Sampler(root: .never, respectsParent: false)

    /// Records a share of all traces, chosen by trace id.
    ///
    /// - Parameter ratio: 0 to 1; beyond is taken as the nearer end, not-a-number as 1.
    public static func traceIDRatio(_ ratio: Double) -> Sampler {
      if ratio.isNaN || ratio >= 1 { return alwaysOn }
      if ratio <= 0 { return alwaysOff }
      // 63 bits of the id, as the other languages' SDKs compare; the product is below 2^63 because the ratio is below 1.
      return Sampler(root: .below(UInt64(ratio * 0x1p63)), respectsParent: false)
    }

    /// Does as the parent did, and asks another sampler for spans that have none.
    public static func parentBased(root: Sampler) -> Sampler {
      Sampler(root: root.root, respectsParent: true)
    }

    /// Whether a span is recorded.
    func samples(parent: SpanContext?, traceIDLow: UInt64) -> Bool {
      if respectsParent, let parent { return parent.isSampled }
      switch root {
      case .always: return true
      case .never: return false
      case .below(let bound): return traceIDLow >> 1 < bound
      }
    }
  }
}
