import CoreMetrics

/// The factory that swift-metrics is given.
struct TelemetryMetricsFactory: MetricsFactory {
  let registry: MetricRegistry

  func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    registry.series(label, .integerCounter, dimensions: dimensions) { IntegerCounter($0) }
  }

  func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler {
    registry.series(label, .fractionCounter, dimensions: dimensions) { FractionCounter($0) }
  }

  func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    registry.series(label, .lastValue, dimensions: dimensions) { LastValue($0) }
  }

  func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
    guard aggregate else { return registry.series(label, .lastValue, dimensions: dimensions) { LastValue($0) } }
    let bounds = registry.histogramBounds(label, .recorder)
    return registry.series(label, .recorder, dimensions: dimensions) { Histogram($0, bounds: bounds) }
  }

  func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    let bounds = registry.histogramBounds(label, .timer)
    return registry.series(label, .timer, dimensions: dimensions) { Histogram($0, bounds: bounds) }
  }

  func destroyCounter(_ handler: any CounterHandler) { destroy(handler) }
  func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { destroy(handler) }
  func destroyMeter(_ handler: any MeterHandler) { destroy(handler) }
  func destroyRecorder(_ handler: any RecorderHandler) { destroy(handler) }
  func destroyTimer(_ handler: any TimerHandler) { destroy(handler) }

  private func destroy(_ handler: AnyObject) {
    if let instrument = handler as? any Instrument { registry.remove(instrument) }
  }
}

extension IntegerCounter: CounterHandler {}

extension FractionCounter: FloatingPointCounterHandler {}

extension LastValue: MeterHandler, RecorderHandler {
  func set(_ value: Int64) { set(Double(value)) }
  func increment(by amount: Double) { add(amount) }
  func decrement(by amount: Double) { add(-amount) }
  func record(_ value: Int64) { set(Double(value)) }
  func record(_ value: Double) { set(value) }
}

extension Histogram: RecorderHandler, TimerHandler {
  func record(_ value: Int64) { record(Double(value)) }
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
}
