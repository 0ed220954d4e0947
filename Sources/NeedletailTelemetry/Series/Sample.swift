/// A value at an instant; the value is carried bit for bit, NaN payloads and the sign of zero included.
@usableFromInline package struct Sample: Hashable, Sendable {
  /// Milliseconds since 1970.
  @usableFromInline package var timestampMilliseconds: Int64
  @usableFromInline package var value: Double

  @inlinable package init(timestampMilliseconds: Int64, value: Double) {
    self.timestampMilliseconds = timestampMilliseconds
    self.value = value
  }

  @inlinable package static func == (left: Sample, right: Sample) -> Bool {
    left.timestampMilliseconds == right.timestampMilliseconds && left.value.bitPattern == right.value.bitPattern
  }

  @inlinable package func hash(into hasher: inout Hasher) {
    hasher.combine(timestampMilliseconds)
    hasher.combine(value.bitPattern)
  }
}

/// What Prometheus writes where a series ends: one particular NaN.
@usableFromInline package enum StaleMarker {
  package static let bitPattern: UInt64 = 0x7ff0_0000_0000_0002
  package static let value = Double(bitPattern: bitPattern)

  @inlinable package static func matches(_ value: Double) -> Bool { value.bitPattern == 0x7ff0_0000_0000_0002 }
}

/// The rule that settles two values of one series at one instant, whatever the order in which they arrived, so that replicas
/// converge by union: a number beats a stale marker, then the greater bit pattern wins.
@usableFromInline package enum SampleConflict {
  @inlinable package static func winner(_ left: UInt64, _ right: UInt64) -> UInt64 {
    if left == 0x7ff0_0000_0000_0002 { return right }
    if right == 0x7ff0_0000_0000_0002 { return left }
    return max(left, right)
  }
}
