/// Writes characters one behind the other where there is room for them.
///
/// Answers consist of numbers: an array that asks for every byte whether it is alone and large enough costs more than they do.
struct DigitCursor {
  /// So many bytes is the longest whole number.
  static let wholeMax = 20
  /// So many bytes is the longest time, and the longest number that `decimal` writes.
  static let fractionMax = 24

  // Who makes a cursor says how much there is to write at most; every call below writes no more than its constant, or what it is given.
  private let base: UnsafeMutablePointer<UInt8>
  private(set) var count = 0

  /// Appends at most `capacity` bytes to an array.
  static func append(
    upTo capacity: Int, to bytes: inout [UInt8], _ body: (inout DigitCursor) -> Void
  ) {
    bytes.append(addingCapacity: capacity) { output in
      output.withUnsafeMutableBufferPointer { buffer, count in
        guard let base = buffer.baseAddress else { return }
        var cursor = DigitCursor(base: base + count)
        body(&cursor)
        count += cursor.count
      }
    }
  }

  private init(base: UnsafeMutablePointer<UInt8>) { self.base = base }

  /// One character of ASCII.
  @inline(__always) mutating func character(_ character: Unicode.Scalar) {
    base[count] = UInt8(truncatingIfNeeded: character.value)
    count += 1
  }

  /// Bytes as they are.
  @inline(__always) mutating func text(_ bytes: UnsafeRawBufferPointer) {
    UnsafeMutableRawBufferPointer(start: base + count, count: bytes.count).copyMemory(from: bytes)
    count += bytes.count
  }

  /// Characters of ASCII.
  mutating func text(_ text: StaticString) {
    self.text(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// A number as the standard library prints it: at most 24 bytes.
  mutating func description(of value: Double) {
    var sink = DigitSink(base + count)
    value.write(to: &sink)
    count += sink.count
  }

  /// A whole number, with zeros ahead where it has fewer than `places` digits.
  @inline(__always) mutating func whole(_ value: UInt64, places: Int = 1) {
    var digits = 1
    var limit: UInt64 = 10
    // 10^19 is the largest power of ten below 2^64.
    while value >= limit {
      digits += 1
      if digits == Self.wholeMax { break }
      limit *= 10
    }
    digits = max(digits, places)
    var rest = value
    var place = count + digits
    count = place
    for _ in 0..<digits {
      place -= 1
      base[place] = 48 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
  }

  /// Eight characters of ASCII, the first in the lowest byte.
  @inline(__always) mutating func eight(_ characters: UInt64) {
    UnsafeMutableRawPointer(base + count).storeBytes(of: characters.littleEndian, as: UInt64.self)
    count += 8
  }

  /// The three digits of a number below 1,000.
  @inline(__always) mutating func three(_ value: UInt64) {
    let value = UInt32(truncatingIfNeeded: value)
    base[count] = 48 &+ UInt8(truncatingIfNeeded: value / 100)
    base[count + 1] = 48 &+ UInt8(truncatingIfNeeded: value / 10 % 10)
    base[count + 2] = 48 &+ UInt8(truncatingIfNeeded: value % 10)
    count += 3
  }

  /// A number that is not negative and has at most three decimals, of which none is a zero at the end; false where it has
  /// more, and then nothing is written.
  ///
  /// Such decimals are the shortest digits that are read back as the number: two of at most 15 digits never are the same.
  mutating func decimal(_ value: Double) -> Bool {
    let scaled = value * 1000 + 0.5
    guard scaled < 1e15 else { return false }
    let thousandths = UInt64(scaled)
    guard Double(thousandths) / 1000 == value else { return false }
    let (integer, fraction) = thousandths.quotientAndRemainder(dividingBy: 1000)
    whole(integer)
    guard fraction != 0 else { return true }
    character(".")
    if fraction % 100 == 0 {
      whole(fraction / 100)
    } else if fraction % 10 == 0 {
      whole(fraction / 10, places: 2)
    } else {
      whole(fraction, places: 3)
    }
    return true
  }
}

/// Takes the digits of a number from the standard library without a string between.
private struct DigitSink: TextOutputStream {
  // Who makes a sink has room for the longest number there.
  private let base: UnsafeMutablePointer<UInt8>
  private(set) var count = 0

  init(_ base: UnsafeMutablePointer<UInt8>) { self.base = base }

  mutating func write(_ string: String) {
    for byte in string.utf8 {
      base[count] = byte
      count += 1
    }
  }

  // What the standard library calls for digits; were it to stop, it would call the above.
  mutating func _writeASCII(_ buffer: UnsafeBufferPointer<UInt8>) {
    UnsafeMutableRawBufferPointer(start: base + count, count: buffer.count).copyMemory(
      from: UnsafeRawBufferPointer(buffer))
    count += buffer.count
  }
}
