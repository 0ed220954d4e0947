import NeedletailTelemetry

/// Which file of the log: its generation, and its number within it.
package struct LogSegmentID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Counts the flushes: all records of a generation are flushed, and deleted, together.
  package var generation: UInt64
  /// Counts the files of a generation, from 0.
  package var number: UInt32

  /// A segment from its parts.
  package init(generation: UInt64, number: UInt32) {
    self.generation = generation
    self.number = number
  }

  package static func < (left: Self, right: Self) -> Bool {
    (left.generation, left.number) < (right.generation, right.number)
  }

  /// The file's name: `0000000000000001-00000000.log`.
  package var fileName: String {
    generation.hexadecimal + "-" + number.hexadecimal + ".log"
  }

  /// The segment whose file has this name, or nil when no segment's file is named so.
  package init?(fileName: String) {
    guard fileName.utf8.count == 29, fileName.hasSuffix(".log"),
      let generation = UInt64(fileName.prefix(16), radix: 16),
      let number = UInt32(fileName.dropFirst(17).prefix(8), radix: 16)
    else { return nil }
    self.init(generation: generation, number: number)
    guard self.fileName == fileName else { return nil }
  }

  package var description: String { fileName }
}
