import NeedletailTelemetry

/// Makes histograms of one series, one after the other, ugly on purpose: a counter that grows buckets, changes its
/// schema, begins anew and ends, of integers or floats; or anything that the type can hold.
package struct HistogramGenerator: Sendable {
  package enum Style: CaseIterable, Sendable {
    case integers, floats, gauge, anything
  }

  private let style: Style
  /// How rarely something odd happens.
  private let oddity: Int
  private var current: NativeHistogram

  package init(_ style: Style, oddity: Int, _ generator: inout TelemetryGenerator) {
    self.style = style
    self.oddity = oddity
    current = NativeHistogram(schema: 3, count: 0, sum: 0)
    changeLayout(&generator)
  }

  /// The next histogram.
  package mutating func next(_ generator: inout TelemetryGenerator) -> NativeHistogram {
    if style == .anything { changeLayout(&generator) }
    if generator.oneIn(oddity) { changeLayout(&generator) }
    if generator.oneIn(oddity) { grow(&generator) }
    if generator.oneIn(oddity) { reset() }
    count(&generator)
    var histogram = current
    if generator.oneIn(oddity) { histogram = NativeHistogram(schema: 3, count: 0, sum: StaleMarker.value) }
    if generator.oneIn(oddity) { spoil(&histogram, &generator) }
    return histogram
  }

  // MARK: - Layouts

  private mutating func changeLayout(_ generator: inout TelemetryGenerator) {
    let isCustom = generator.oneIn(3)
    current.schema = isCustom ? NativeHistogram.customBucketsSchema : Int8(generator.int(-4...8))
    current.zeroThreshold = generator.pick([0, 0x1p-128, 1e-9, -0.0, .nan])
    current.customBounds = isCustom ? (0..<generator.int(0...12)).map { Double($0) / 3 } : []
    current.positiveSpans = spans(&generator)
    current.negativeSpans = generator.oneIn(3) ? spans(&generator) : []
    reset()
  }

  private func spans(_ generator: inout TelemetryGenerator) -> [NativeHistogram.BucketSpan] {
    (0..<generator.int(0...4)).map { number in
      let offset = generator.oneIn(20) ? generator.pick([Int32.min, .max, -3, 0]) : Int32(generator.int(0...9))
      return .init(
        offset: number == 0 ? offset - 4 &* (offset > .min + 4 ? 1 : 0) : offset, length: UInt32(generator.int(0...9)))
    }
  }

  private mutating func grow(_ generator: inout TelemetryGenerator) {
    guard !current.positiveSpans.isEmpty else { return }
    current.positiveSpans[generator.int(0...current.positiveSpans.count - 1)].length += 1
    current.positiveBuckets.insert(0, at: generator.int(0...current.positiveBuckets.count))
  }

  private mutating func reset() {
    func zeros(_ spans: [NativeHistogram.BucketSpan]) -> [Double] {
      [Double](repeating: 0, count: spans.reduce(0) { $0 + Int($1.length) })
    }
    current.positiveBuckets = zeros(current.positiveSpans)
    current.negativeBuckets = zeros(current.negativeSpans)
    (current.zeroCount, current.count, current.sum) = (0, 0, 0)
  }

  // MARK: - Numbers

  private mutating func count(_ generator: inout TelemetryGenerator) {
    current.resetHint = generator.oneIn(oddity) ? generator.pick([.reset, .notReset, .gauge]) : current.resetHint
    current.zeroCount = moved(current.zeroCount, &generator)
    for index in current.positiveBuckets.indices {
      current.positiveBuckets[index] = moved(current.positiveBuckets[index], &generator)
    }
    for index in current.negativeBuckets.indices {
      current.negativeBuckets[index] = moved(current.negativeBuckets[index], &generator)
    }
    let all = current.positiveBuckets.reduce(0, +) + current.negativeBuckets.reduce(0, +)
    current.count = generator.oneIn(oddity) ? moved(all, &generator) : all + current.zeroCount
    current.sum += Double(generator.int(0...1000)) * (style == .integers && generator.oneIn(2) ? 1 : 0.001)
  }

  private func moved(_ value: Double, _ generator: inout TelemetryGenerator) -> Double {
    switch style {
    case .integers: value + Double(generator.int(0...20))
    case .floats: value + Double(generator.int(0...1000)) / 7
    case .gauge: Double(generator.int(-5...50))
    case .anything: Double(bitPattern: generator.valueBits())
    }
  }

  /// Puts numbers where no client would: NaN with bits of its own, zero with a sign, counts beyond 2^51.
  private func spoil(_ histogram: inout NativeHistogram, _ generator: inout TelemetryGenerator) {
    let odd = generator.pick([
      -0.0, 0x1p51, -0x1p51, 0x1p51 - 1, -0x1p51 - 1, 0x1p53, 0x1p60, 0x1p63, .greatestFiniteMagnitude, .infinity,
      0.5, Double(bitPattern: 0x7ff8_0000_dead_beef), Double(bitPattern: 0xfff0_0000_0000_0001), StaleMarker.value,
    ])
    switch generator.int(0...4) {
    case 0: histogram.zeroCount = odd
    case 1: histogram.count = odd
    case 2: histogram.sum = odd
    case 3 where !histogram.positiveBuckets.isEmpty:
      histogram.positiveBuckets[generator.int(0...histogram.positiveBuckets.count - 1)] = odd
    default:
      if !histogram.negativeBuckets.isEmpty { histogram.negativeBuckets[0] = odd }
    }
  }
}
