import NeedletailOTLP
import Synchronization

/// One series of a metric: an instrument with its attributes.
protocol Instrument: AnyObject, Sendable {
  /// Writes the series' data point as it stands; nothing when there is none yet.
  func write(to writer: inout ProtobufWriter, time: UInt64)
}

/// What identifies a series to whom it is sent, and since when it counts.
struct SeriesIdentity: Sendable {
  /// The attributes, each an encoded `KeyValue`.
  let attributes: [[UInt8]]
  /// When the series began, in nanoseconds since the Unix epoch.
  let start: UInt64

  init(dimensions: [(String, String)], start: UInt64) {
    attributes = dimensions.map { name, value in
      var writer = ProtobufWriter()
      writer.field(1, string: name)
      writer.field(2) { $0.anyValue(value) }
      return writer.bytes
    }
    self.start = start
  }
}

/// A counter of whole numbers.
///
/// It only grows: what is not positive is not added.
final class IntegerCounter: Instrument {
  private let identity: SeriesIdentity
  private let value = Atomic<Int64>(0)
  private let start: Atomic<UInt64>

  init(_ identity: SeriesIdentity) {
    self.identity = identity
    start = Atomic(identity.start)
  }

  func increment(by amount: Int64) {
    if amount > 0 { value.wrappingAdd(amount, ordering: .relaxed) }
  }

  /// Starts over from zero.
  func reset() {
    start.store(WallClock.nanoseconds, ordering: .relaxed)
    value.store(0, ordering: .relaxed)
  }

  func write(to writer: inout ProtobufWriter, time: UInt64) {
    writer.numberPoint(
      .integer(value.load(ordering: .relaxed)), attributes: identity.attributes,
      start: start.load(ordering: .relaxed), time: time)
  }
}

/// A counter of fractions.
///
/// It only grows: what is not positive and finite is not added.
final class FractionCounter: Instrument {
  private let identity: SeriesIdentity
  private let state: Mutex<(value: Double, start: UInt64)>

  init(_ identity: SeriesIdentity) {
    self.identity = identity
    state = Mutex((0, identity.start))
  }

  func increment(by amount: Double) {
    guard amount > 0, amount.isFinite else { return }
    state.withLock { $0.value += amount }
  }

  /// Starts over from zero.
  func reset() { state.withLock { $0 = (0, WallClock.nanoseconds) } }

  func write(to writer: inout ProtobufWriter, time: UInt64) {
    let state = state.withLock { $0 }
    writer.numberPoint(.double(state.value), attributes: identity.attributes, start: state.start, time: time)
  }
}

/// The last value of something; nothing until one was recorded.
final class LastValue: Instrument {
  private let identity: SeriesIdentity
  private let value = Mutex<Double?>(nil)

  init(_ identity: SeriesIdentity) { self.identity = identity }

  func set(_ newValue: Double) { value.withLock { $0 = newValue } }

  func add(_ amount: Double) { value.withLock { $0 = ($0 ?? 0) + amount } }

  func write(to writer: inout ProtobufWriter, time: UInt64) {
    guard let value = value.withLock({ $0 }) else { return }
    writer.numberPoint(.double(value), attributes: identity.attributes, start: 0, time: time)
  }
}

/// A histogram with explicit bounds; nothing until a value was recorded.
final class Histogram: Instrument {
  private let identity: SeriesIdentity
  private let bounds: [Double]
  private let state: Mutex<HistogramValue>

  init(_ identity: SeriesIdentity, bounds: [Double]) {
    self.identity = identity
    self.bounds = bounds
    state = Mutex(
      HistogramValue(
        bounds: bounds, bucketCounts: Array(repeating: 0, count: bounds.count + 1), count: 0, sum: 0, minimum: nil,
        maximum: nil))
  }

  /// Records a value; not-a-number and infinities are not recorded.
  func record(_ value: Double) {
    guard value.isFinite else { return }
    // Bounds are few and inclusive above: a walk beats a search.
    var bucket = 0
    while bucket < bounds.count, value > bounds[bucket] { bucket += 1 }
    state.withLock { state in
      state.bucketCounts[bucket] += 1
      state.count += 1
      state.sum += value
      state.minimum = min(state.minimum ?? value, value)
      state.maximum = max(state.maximum ?? value, value)
    }
  }

  func write(to writer: inout ProtobufWriter, time: UInt64) {
    let value = state.withLock { $0 }
    if value.count == 0 { return }
    writer.histogramPoint(value, attributes: identity.attributes, start: identity.start, time: time)
  }
}
