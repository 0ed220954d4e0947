// Lengths of time that are worked out, as ranges, resolutions and offsets may be: `[2 * step()]`, `offset (1h / 2)`. What
// hangs on the query alone is worked out when its steps are known; all else when it is parsed.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A length of time, in seconds, as an expression over numbers.
package indirect enum DurationExpression: Sendable, Hashable {
  case number(NumberLiteral)
  /// The distance of the query's steps; 0 of one at a single time.
  case step
  /// From the query's first step to its last.
  case range
  case negation(DurationExpression)
  case binary(BinaryOperator, DurationExpression, DurationExpression)
  case least(DurationExpression, DurationExpression)
  case greatest(DurationExpression, DurationExpression)
  case parenthesized(DurationExpression)

  /// Whether this, or anything below, is one that `test` is true of.
  private func contains(_ test: (DurationExpression) -> Bool) -> Bool {
    if test(self) { return true }
    switch self {
    case .number, .step, .range: return false
    case .negation(let inner), .parenthesized(let inner): return inner.contains(test)
    case .binary(_, let left, let right), .least(let left, let right), .greatest(let left, let right):
      return left.contains(test) || right.contains(test)
    }
  }

  /// Whether its value depends on the query's steps.
  var hangsOnQuery: Bool { contains { $0 == .step || $0 == .range } }

  /// Whether its value depends on the first and the last step.
  var hangsOnRange: Bool { contains { $0 == .range } }

  /// The value in seconds, or what is wrong with it.
  func seconds(_ times: QueryTimes) throws(DurationFailure) -> Double {
    switch self {
    case .number(let literal): return literal.value
    case .step: return Double(times.step) / 1000
    case .range: return Double(times.range) / 1000
    case .negation(let inner): return -(try inner.seconds(times))
    case .parenthesized(let inner): return try inner.seconds(times)
    case .least(let left, let right): return fmin(try left.seconds(times), try right.seconds(times))
    case .greatest(let left, let right): return fmax(try left.seconds(times), try right.seconds(times))
    case .binary(let operation, let left, let right):
      return try Self.compute(operation, try left.seconds(times), try right.seconds(times))
    }
  }

  private static func compute(
    _ operation: BinaryOperator, _ left: Double, _ right: Double
  ) throws(DurationFailure) -> Double {
    switch operation {
    case .add: return left + right
    case .subtract: return left - right
    case .multiply: return left * right
    case .divide:
      guard right != 0 else { throw DurationFailure(message: "division by zero") }
      return left / right
    case .modulo:
      guard right != 0 else { throw DurationFailure(message: "modulo by zero") }
      return fmod(left, right)
    case .power: return pow(left, right)
    default: throw DurationFailure(message: "operator \"\(operation.rawValue)\" is none of durations")
    }
  }
}

/// Why a duration has no value.
struct DurationFailure: Error {
  var message: String
}

/// What durations may hang on: the distance of a query's steps and how far they reach, in milliseconds.
package struct QueryTimes: Sendable, Hashable {
  /// 0 of a query at one time.
  package var step: Int64
  /// From the first to the last.
  package var range: Int64

  /// Times from their parts.
  package init(step: Int64, range: Int64) {
    self.step = step
    self.range = range
  }
}

/// A duration that is more than one number, and its place in the text.
package struct DurationSyntax: Sendable, Hashable {
  /// What is to be worked out.
  package var expression: DurationExpression
  /// Where it stands.
  package var span: SourceSpan
  /// The largest range or offset in milliseconds (about 31,000 years), far from where sums overflow.
  static let millisecondsMax = 1e15

  /// The milliseconds that it comes to.
  func milliseconds(_ times: QueryTimes, allowsNegative: Bool) throws(DurationFailure) -> Int64 {
    let seconds = try expression.seconds(times)
    guard seconds.isFinite else { throw DurationFailure(message: "duration is NaN or infinite") }
    // A number is what was written, to the nanosecond; what was worked out is cut off, as it is in Prometheus.
    var milliseconds = seconds * 1000
    if case .number = expression { milliseconds = (seconds * 1e9).rounded() / 1e6 }
    let whole = milliseconds.rounded(.towardZero)
    guard whole.magnitude <= Self.millisecondsMax, let milliseconds = Int64(exactly: whole) else {
      throw DurationFailure(message: "duration out of range")
    }
    guard allowsNegative || milliseconds > 0 else {
      throw DurationFailure(message: "duration must be greater than 0")
    }
    return milliseconds
  }
}
