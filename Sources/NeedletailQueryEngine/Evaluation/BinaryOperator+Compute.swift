import NeedletailQueryLanguage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension BinaryOperator {
  /// Whether a comparison holds.
  func holds(_ left: Double, _ right: Double) -> Bool {
    switch self {
    case .equal: left == right
    case .notEqual: left != right
    case .less: left < right
    case .lessOrEqual: left <= right
    case .greater: left > right
    default: left >= right
    }
  }

  /// The value over two numbers; of comparisons 0 or 1.
  func compute(_ left: Double, _ right: Double) -> Double {
    switch self {
    case .add: left + right
    case .subtract: left - right
    case .multiply: left * right
    case .divide: left / right
    case .modulo: fmod(left, right)
    case .power: pow(left, right)
    case .atan2: Self.arcTangent(left, right)
    case .fallback: left.isNaN ? right : left
    case .ifPresent: right.isNaN ? .nan : left
    case .ifAbsent: right.isNaN ? left : .nan
    default: holds(left, right) ? 1 : 0
    }
  }

  private static func arcTangent(_ left: Double, _ right: Double) -> Double {
    #if canImport(Glibc)
      Glibc.atan2(left, right)
    #else
      Darwin.atan2(left, right)
    #endif
  }
}
