/// Writes characters one behind the other where there is room for them.
///
/// Answers consist of numbers: an array that asks for every byte whether it is alone and large enough costs more than they do.
struct DigitCursor {
  /// So many bytes is the longest whole number.
  static let wholeMax = 20
  /// So many bytes is the longest time, and the longest number that `fraction` writes.
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

  /// Takes the last character back.
  mutating func takeBack() { count -= 1 }

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

  /// Milliseconds from 1970 on as seconds, with three decimals where they are no whole ones.
  mutating func seconds(fromMilliseconds time: UInt64) {
    let (seconds, fraction) = time.quotientAndRemainder(dividingBy: 1000)
    whole(seconds)
    guard fraction != 0 else { return }
    character(".")
    whole(fraction, places: 3)
  }

  /// A number that is not negative and has at most three decimals, of which none is a zero at the end; false where it has
  /// more, and then nothing is written.
  ///
  /// Such decimals are the shortest digits that are read back as the number: two of at most 15 digits never are the same.
  mutating func decimal(_ value: Double) -> Bool {
    let thousandths = (value * 1000).rounded()
    guard thousandths < 1e15, thousandths / 1000 == value else { return false }
    let (integer, fraction) = UInt64(thousandths).quotientAndRemainder(dividingBy: 1000)
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
struct DigitSink: TextOutputStream {
  var bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func write(_ string: String) { bytes.append(contentsOf: string.utf8) }

  // What the standard library calls for digits; were it to stop, it would call the above.
  mutating func _writeASCII(_ buffer: UnsafeBufferPointer<UInt8>) { bytes.append(contentsOf: buffer) }
}
