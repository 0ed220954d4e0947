// The bytes of the log (docs/formats/log.md). Three decisions carry it:
//
// - A record's header has a checksum of its own, so a reader knows whether it may believe the length, and finds the
//   next record behind a damage without trying to checksum megabytes at every byte.
// - All checksums are seeded with the folder's identity and the generation. Payloads are bytes that others send; a
//   payload that imitates a record is not taken for one by the search behind a damage.
// - Before each group of records stands a marker that tells what was durable when the group was written. That is how a
//   reader tells a torn tail (never acknowledged, cut) from damage (acknowledged once, reported).

import NeedletailTelemetry

/// The fixed numbers of the log format.
package enum LogFormat {
  /// The most that one record holds, in bytes.
  package static let payloadBytesMax = 64 << 20
  static let recordHeaderBytes = 32
  static let segmentHeaderBytes = 40
  static let recordMagic: UInt32 = 0x3152_4C4E  // "NLR1"
  static let segmentMagic: UInt64 = 0x3147_4F4C_544C_444E  // "NDLTLOG1"
  static let version: UInt32 = 1
  /// The kind of a marker: its sequence tells through which record everything is durable.
  static let marker: UInt8 = 0
}

/// A record's header.
struct LogRecordHeader: Equatable {
  var kind: UInt8
  var sequence: UInt64
  var length: Int
  var payloadChecksum: UInt64

  /// Writes the header over 32 bytes.
  func write(to target: UnsafeMutableRawBufferPointer, seed: UInt64) {
    target.storeBytes(of: LogFormat.recordMagic.littleEndian, toByteOffset: 0, as: UInt32.self)
    target.storeBytes(of: UInt32(kind).littleEndian, toByteOffset: 4, as: UInt32.self)
    target.storeBytes(of: sequence.littleEndian, toByteOffset: 8, as: UInt64.self)
    target.storeBytes(of: UInt32(truncatingIfNeeded: length).littleEndian, toByteOffset: 16, as: UInt32.self)
    target.storeBytes(of: payloadChecksum.littleEndian, toByteOffset: 20, as: UInt64.self)
    let sum = Self.checksum(UnsafeRawBufferPointer(target), seed: seed)
    target.storeBytes(of: sum.littleEndian, toByteOffset: 28, as: UInt32.self)
  }

  /// The header in 32 bytes, or nil when they are none.
  init?(_ bytes: UnsafeRawBufferPointer, seed: UInt64) {
    func field<Integer: FixedWidthInteger>(_ position: Int, _ type: Integer.Type) -> Integer {
      Integer(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Integer.self))
    }
    guard bytes.count >= LogFormat.recordHeaderBytes, field(0, UInt32.self) == LogFormat.recordMagic,
      field(28, UInt32.self) == Self.checksum(bytes, seed: seed)
    else { return nil }
    let length = Int(field(16, UInt32.self))
    guard length <= LogFormat.payloadBytesMax, let kind = UInt8(exactly: field(4, UInt32.self)) else { return nil }
    // Records are numbered from 1; only a marker may say that nothing is durable yet.
    guard kind == LogFormat.marker || field(8, UInt64.self) > 0 else { return nil }
    self.init(
      kind: kind, sequence: field(8, UInt64.self), length: length, payloadChecksum: field(20, UInt64.self))
  }

  init(kind: UInt8, sequence: UInt64, length: Int, payloadChecksum: UInt64) {
    self.kind = kind
    self.sequence = sequence
    self.length = length
    self.payloadChecksum = payloadChecksum
  }

  private static func checksum(_ header: UnsafeRawBufferPointer, seed: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: Checksum.of(UnsafeRawBufferPointer(rebasing: header[..<28]), seed: seed))
  }
}

/// What the checksums of one log are seeded with.
struct LogSeal: Sendable {
  /// Follows from the data folder's identity.
  var salt: UInt64

  func seed(generation: UInt64) -> UInt64 { salt &+ generation &* 0x9E37_79B9_7F4A_7C15 }
}

/// The head of a segment's file.
struct LogSegmentHeader: Equatable {
  var segment: LogSegmentID
  /// The number of the first record that was to be written here; all before it were durable then.
  var firstSequence: UInt64

  func encoded(_ seal: LogSeal) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendInteger(LogFormat.segmentMagic)
    bytes.appendInteger(LogFormat.version)
    bytes.appendInteger(segment.number)
    bytes.appendInteger(segment.generation)
    bytes.appendInteger(firstSequence)
    bytes.appendInteger(Checksum.of(bytes, seed: seal.seed(generation: segment.generation)))
    return bytes
  }

  /// Whether `bytes` begin as a segment of any folder and version does.
  static func beginsWithMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 8 && bytes.loadUnaligned(as: UInt64.self) == LogFormat.segmentMagic.littleEndian
  }

  /// The header in `bytes`, or nil when it is not the whole header of this segment.
  static func decode(_ bytes: UnsafeRawBufferPointer, of segment: LogSegmentID, _ seal: LogSeal) -> Self? {
    guard bytes.count >= LogFormat.segmentHeaderBytes else { return nil }
    let firstSequence = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
    let header = Self(segment: segment, firstSequence: firstSequence)
    guard firstSequence > 0 else { return nil }
    let isEqual = header.encoded(seal).elementsEqual(bytes[..<LogFormat.segmentHeaderBytes])
    return isEqual ? header : nil
  }
}
