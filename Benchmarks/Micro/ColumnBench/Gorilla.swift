// What Facebook's Gorilla paper describes and most time-series databases began with: times as deltas of deltas, values
// xor their predecessor with the window of bits that differ. Written straightforwardly, as a peer to measure beside.

/// Bits, the highest of a byte first.
struct BitWriter {
  private(set) var bytes: [UInt8] = []
  private var word: UInt64 = 0
  private var filled = 0

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    (word, filled) = (0, 0)
  }

  /// The lowest `count` bits, at most 56.
  @inline(__always) mutating func write(_ value: UInt64, _ count: Int) {
    word = (word &<< UInt64(count)) | (value & ((1 &<< UInt64(count)) &- 1))
    filled &+= count
    while filled >= 8 {
      filled &-= 8
      bytes.append(UInt8(truncatingIfNeeded: word &>> UInt64(filled)))
    }
  }

  @inline(__always) mutating func writeLong(_ value: UInt64, _ count: Int) {
    if count > 32 { write(value &>> 32, count - 32) }
    write(value, min(count, 32))
  }

  mutating func finish() {
    if filled > 0 { write(0, 8 - filled) }
  }
}

/// Reads what `BitWriter` wrote; behind the end there are zeros.
struct BitReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var word: UInt64 = 0
  private var filled = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  @inline(__always) mutating func read(_ count: Int) -> UInt64 {
    while filled < count {
      word = (word &<< 8) | (position < bytes.count ? UInt64(bytes[position]) : 0)
      position &+= 1
      filled &+= 8
    }
    filled &-= count
    return (word &>> UInt64(filled)) & ((1 &<< UInt64(count)) &- 1)
  }

  @inline(__always) mutating func readLong(_ count: Int) -> UInt64 {
    guard count > 32 else { return read(count) }
    let upper = read(count - 32)
    return upper &<< 32 | read(32)
  }
}

enum Gorilla {
  static func encode(_ values: UnsafeBufferPointer<Double>, to writer: inout BitWriter) {
    var previous: UInt64 = 0
    var leading = 65
    var trailing = 0
    for value in values {
      let difference = value.bitPattern ^ previous
      previous = value.bitPattern
      guard difference != 0 else {
        writer.write(0, 1)
        continue
      }
      let zeros = min(31, difference.leadingZeroBitCount)
      if zeros >= leading, difference.trailingZeroBitCount >= trailing {
        writer.write(0b10, 2)
      } else {
        (leading, trailing) = (zeros, difference.trailingZeroBitCount)
        writer.write(0b11, 2)
        writer.write(UInt64(leading), 5)
        writer.write(UInt64(63 - leading - trailing), 6)
      }
      writer.writeLong(difference &>> UInt64(trailing), 64 - leading - trailing)
    }
    writer.finish()
  }

  static func decode(_ bytes: UnsafeRawBufferPointer, into values: UnsafeMutableBufferPointer<Double>) {
    var reader = BitReader(bytes)
    var previous: UInt64 = 0
    var length = 0
    var trailing = 0
    for index in 0..<values.count {
      if reader.read(1) == 1 {
        if reader.read(1) == 1 {
          let leading = Int(reader.read(5))
          length = Int(reader.read(6)) + 1
          trailing = 64 - leading - length
        }
        previous ^= reader.readLong(length) &<< UInt64(truncatingIfNeeded: trailing)
      }
      values[index] = Double(bitPattern: previous)
    }
  }

  /// Deltas of deltas under prefixes, in the sizes of the paper.
  static func encode(_ times: UnsafeBufferPointer<Int64>, to writer: inout BitWriter) {
    var previous: Int64 = 0
    var delta: Int64 = 0
    for time in times {
      let change = time &- previous &- delta
      delta = time &- previous
      previous = time
      if change == 0 {
        writer.write(0, 1)
      } else if change >= -63, change <= 64 {
        writer.write(0b10, 2)
        writer.write(UInt64(bitPattern: change &+ 63), 7)
      } else if change >= -255, change <= 256 {
        writer.write(0b110, 3)
        writer.write(UInt64(bitPattern: change &+ 255), 9)
      } else if change >= -2047, change <= 2048 {
        writer.write(0b1110, 4)
        writer.write(UInt64(bitPattern: change &+ 2047), 12)
      } else {
        writer.write(0b1111, 4)
        writer.writeLong(UInt64(bitPattern: change), 64)
      }
    }
    writer.finish()
  }

  static func decode(_ bytes: UnsafeRawBufferPointer, into times: UnsafeMutableBufferPointer<Int64>) {
    var reader = BitReader(bytes)
    var previous: Int64 = 0
    var delta: Int64 = 0
    for index in 0..<times.count {
      var change: Int64 = 0
      if reader.read(1) == 1 {
        if reader.read(1) == 0 {
          change = Int64(reader.read(7)) - 63
        } else if reader.read(1) == 0 {
          change = Int64(reader.read(9)) - 255
        } else if reader.read(1) == 0 {
          change = Int64(reader.read(12)) - 2047
        } else {
          change = Int64(bitPattern: reader.readLong(64))
        }
      }
      delta = delta &+ change
      previous = previous &+ delta
      times[index] = previous
    }
  }
}
