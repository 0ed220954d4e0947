/// One pass from floats to the integers that, divided by a power of ten, give back their bits; and back.
struct DecimalScale {
  typealias Floats = SIMD4<Double>
  typealias Bits = SIMD4<Int64>

  /// The most decimal places; 10^22 is the last power that a Double holds exactly.
  static let exponentMax = 12
  /// 1.5 * 2^52: added and subtracted it rounds whatever is within 2^51 to an integer, which in between is the lowest
  /// bits of the sum.
  private static let rounding = 6_755_399_441_055_744.0
  private static let roundingBits: Int64 = 0x4338_0000_0000_0000
  /// What stands above these bits.
  private static let roundedTop: Int64 = 0x4330_0000_0000_0000
  private static let scaledMax = 2_251_799_813_685_248.0
  /// Where `Int64(value)` is defined.
  private static let integerMax = 9_223_372_036_854_775_808.0
  /// As many values are looked at before all are, and as many of them may have no exponent.
  private static let probeCount = 13
  private static let probeFew = 5
  /// From one to the next of them, so that also the first few are spread.
  private static let probeJump = 5
  private static let probeFailuresMax = 3
  private static let stretch = 16

  let exponent: Int
  private let power: Double
  /// Places of the values that have no integer, in order; written up to `exceptionsMax`.
  let exceptions: UnsafeMutablePointer<Int64>
  private let exceptionsMax: Int
  private(set) var exceptionCount = 0
  /// Whether an integer reaches 2^51.
  private(set) var isWide = false

  init(exponent: Int, exceptions: UnsafeMutablePointer<Int64>, exceptionsMax: Int) {
    self.exponent = exponent
    power = Self.power(exponent)
    self.exceptions = exceptions
    self.exceptionsMax = exceptionsMax
  }

  private static func power(_ exponent: Int) -> Double {
    switch exponent {
    case 0: 1
    case 1: 1e1
    case 2: 1e2
    case 3: 1e3
    case 4: 1e4
    case 5: 1e5
    case 6: 1e6
    case 7: 1e7
    case 8: 1e8
    case 9: 1e9
    case 10: 1e10
    case 11: 1e11
    default: 1e12
    }
  }

  /// The integer within 2^51 that a float is; where it is none, `wrong` is not 0 afterwards.
  @inline(__always) static func integer(_ value: Double, wrong: inout UInt64) -> Int64 {
    let raised = value + rounding
    let bits = Int64(bitPattern: raised.bitPattern)
    wrong |= (raised - rounding).bitPattern ^ value.bitPattern | UInt64(bitPattern: bits ^ roundedTop) &>> 52
    return bits &- roundingBits
  }

  /// The float that an integer within 2^51 is; any other gives some float.
  @inline(__always) static func float(_ integer: Int64) -> Double {
    Double(bitPattern: UInt64(bitPattern: integer &+ roundingBits)) - rounding
  }

  /// The integer that gives back the bits, if there is one.
  @inline(__always) private static func exact(_ value: Double, power: Double) -> Int64? {
    if power == 1 {
      // Also false for NaN: only what is in range may be converted.
      guard value >= -integerMax, value < integerMax else { return nil }
      let integer = Int64(value)
      return Double(integer).bitPattern == value.bitPattern ? integer : nil
    }
    let scaled = value * power
    guard scaled > -scaledMax, scaled < scaledMax else { return nil }
    let rounded = (scaled + rounding) - rounding
    return (rounded / power).bitPattern == value.bitPattern ? Int64(rounded) : nil
  }

  /// The least exponent of at least `least` that gives back the bits of a finite value.
  private static func exponent(of value: Double, from least: Int) -> Int? {
    if exact(value, power: power(least)) != nil { return least }
    // What fails at the most decimals that are possible fails at fewer.
    var most = exponentMax
    while most > least, value.magnitude * power(most) >= scaledMax { most -= 1 }
    guard most > least, exact(value, power: power(most)) != nil else { return nil }
    return (least + 1..<most).first { exact(value, power: power($0)) != nil } ?? most
  }

  /// The exponent that a few values, spread over all, ask for; nil where too many have none.
  static func probe(_ values: UnsafePointer<Double>, count: Int) -> Int? {
    var found = 0
    var power = 1.0
    var failures = 0
    let gap = max(1, count / probeCount)
    for number in 0..<probeCount {
      // Where the first few are what one expects, the others are not asked.
      if number == probeFew, failures == 0 { break }
      let index = number &* probeJump % probeCount &* gap
      guard index < count else { continue }
      let value = values[index]
      if exact(value, power: power) != nil || !value.isFinite { continue }
      if let exponent = exponent(of: value, from: found) {
        found = exponent
        power = Self.power(found)
      } else {
        failures += 1
        if failures > probeFailuresMax { return nil }
      }
    }
    return found
  }

  /// The exponent that the finite values among the exceptions ask for, where it is a greater one.
  func exponentOfExceptions(_ values: UnsafePointer<Double>) -> Int? {
    var found = exponent
    for number in 0..<min(exceptionCount, exceptionsMax) {
      let value = values[Int(exceptions[number])]
      if value.isFinite, let more = Self.exponent(of: value, from: found) { found = more }
    }
    return found > exponent ? found : nil
  }

  /// Writes the integers, and the one before where a value has none; stops early where exceptions are too many.
  mutating func run(_ values: UnsafePointer<Double>, count: Int, into integers: UnsafeMutablePointer<Int64>) {
    exceptionCount = 0
    isWide = false
    let source = UnsafeRawPointer(values)
    let target = UnsafeMutableRawPointer(integers)
    var start = 0
    while start < count, exceptionCount <= exceptionsMax {
      let offset = start &* 8
      let isWhole = start &+ Self.stretch <= count
      if isWhole, power == 1 ? Self.round(source + offset, target + offset) : scale(source + offset, target + offset) {
        start &+= Self.stretch
      } else {
        let end = min(start &+ Self.stretch, count)
        runSlowly(values, start..<end, into: integers)
        start = end
      }
    }
  }

  private mutating func runSlowly(
    _ values: UnsafePointer<Double>, _ range: Range<Int>, into integers: UnsafeMutablePointer<Int64>
  ) {
    var previous = range.lowerBound > 0 ? integers[range.lowerBound - 1] : 0
    for index in range {
      if let integer = Self.exact(values[index], power: power) {
        previous = integer
        if integer.magnitude >= 1 << 51 { isWide = true }
      } else {
        if exceptionCount < exceptionsMax { exceptions[exceptionCount] = Int64(index) }
        exceptionCount += 1
      }
      integers[index] = previous
    }
  }

  /// Whether no bit is wrong, and none of those above a rounded value's.
  @inline(__always) private static func isRight(_ wrong: Bits, _ tops: Bits) -> Bool {
    let (wrong, tops) = (wrong.lowHalf | wrong.highHalf, tops.lowHalf | tops.highHalf)
    return (wrong[0] | wrong[1] == 0) && UInt64(bitPattern: tops[0] | tops[1]) &>> 52 == 0
  }

  /// A stretch of integers within 2^51; false where it is not.
  @inline(__always) private static func round(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) -> Bool {
    var wrong = Bits(repeating: 0)
    var tops = Bits(repeating: 0)
    for part in 0..<stretch / 4 {
      let values = source.loadUnaligned(fromByteOffset: part &* 32, as: Floats.self)
      let raised = values + Floats(repeating: rounding)
      let back = raised - Floats(repeating: rounding)
      wrong |= unsafeBitCast(back, to: Bits.self) ^ unsafeBitCast(values, to: Bits.self)
      let bits = unsafeBitCast(raised, to: Bits.self)
      tops |= bits ^ Bits(repeating: roundedTop)
      target.storeBytes(of: bits &- Bits(repeating: roundingBits), toByteOffset: part &* 32, as: Bits.self)
    }
    return Self.isRight(wrong, tops)
  }

  /// A stretch of decimals whose integers are within 2^51; false where it is not.
  @inline(__always) private func scale(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer) -> Bool {
    let power = Floats(repeating: power)
    var wrong = Bits(repeating: 0)
    var tops = Bits(repeating: 0)
    for part in 0..<Self.stretch / 4 {
      let values = source.loadUnaligned(fromByteOffset: part &* 32, as: Floats.self)
      let raised = values * power + Floats(repeating: Self.rounding)
      let back = (raised - Floats(repeating: Self.rounding)) / power
      wrong |= unsafeBitCast(back, to: Bits.self) ^ unsafeBitCast(values, to: Bits.self)
      let bits = unsafeBitCast(raised, to: Bits.self)
      tops |= bits ^ Bits(repeating: Self.roundedTop)
      target.storeBytes(of: bits &- Bits(repeating: Self.roundingBits), toByteOffset: part &* 32, as: Bits.self)
    }
    return Self.isRight(wrong, tops)
  }

  /// Turns integers within 2^51 into floats, in place; any others give some float.
  static func restore(_ memory: UnsafeMutableRawPointer, count: Int, exponent: Int) {
    let whole = count & ~3
    let power = Floats(repeating: power(exponent))
    var place = memory
    if exponent == 0 {
      for _ in 0..<whole / 4 {
        place.storeBytes(of: restored(place), as: Floats.self)
        place += 32
      }
    } else {
      for _ in 0..<whole / 4 {
        place.storeBytes(of: restored(place) / power, as: Floats.self)
        place += 32
      }
    }
    for index in whole..<count {
      let integer = memory.loadUnaligned(fromByteOffset: index &* 8, as: Int64.self)
      let raised = Double(bitPattern: UInt64(bitPattern: integer &+ roundingBits))
      memory.storeBytes(of: (raised - rounding) / power[0], toByteOffset: index &* 8, as: Double.self)
    }
  }

  @inline(__always) private static func restored(_ place: UnsafeMutableRawPointer) -> Floats {
    let raised = place.loadUnaligned(as: Bits.self) &+ Bits(repeating: roundingBits)
    return unsafeBitCast(raised, to: Floats.self) - Floats(repeating: rounding)
  }

  /// The same for integers of any size.
  static func restoreWide(_ memory: UnsafeMutableRawPointer, count: Int, exponent: Int) {
    let power = power(exponent)
    for index in 0..<count {
      let integer = memory.loadUnaligned(fromByteOffset: index &* 8, as: Int64.self)
      memory.storeBytes(of: Double(integer) / power, toByteOffset: index &* 8, as: Double.self)
    }
  }
}
