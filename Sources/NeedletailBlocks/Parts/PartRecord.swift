import NeedletailTelemetry

/// Which engine a part belongs to.
package enum PartKind: UInt8, Sendable, CaseIterable, Comparable {
  case series = 1
  case logs = 2
  case spans = 3

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A part's number in its data folder; never given twice.
package struct PartID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
  package var rawValue: UInt64

  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The part with this number.
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The name of the part's folder: 16 hexadecimal digits.
  package var folderName: String { rawValue.hexadecimal }

  /// The part whose folder has this name, or nil when no part's folder is named so.
  package init?(folderName: String) {
    guard folderName.utf8.count == 16, let value = UInt64(folderName, radix: 16) else { return nil }
    self.rawValue = value
    guard self.folderName == folderName else { return nil }
  }

  package var description: String { folderName }
}

/// What the engine tells about a part: in its header, and in the catalog so that queries can pass it over unopened.
package struct PartSummary: Hashable, Sendable {
  /// Which engine reads it.
  package var kind: PartKind
  /// The engine's own format version.
  package var format: UInt32
  /// The time partition that it belongs to, numbered by the engine.
  package var partition: Int64
  /// How often its rows were merged: 0 for a flushed head.
  package var level: UInt32
  /// Samples, log records or spans.
  package var rows: UInt64
  /// Series, streams or traces.
  package var groups: UInt64
  /// Earliest and latest time in it, both inclusive, in the engine's unit (series: ms, logs and spans: ns).
  package var minTime: Int64
  /// See `minTime`.
  package var maxTime: Int64

  /// A summary from its parts.
  package init(
    kind: PartKind, format: UInt32, partition: Int64, level: UInt32, rows: UInt64, groups: UInt64, minTime: Int64,
    maxTime: Int64
  ) {
    self.kind = kind
    self.format = format
    self.partition = partition
    self.level = level
    self.rows = rows
    self.groups = groups
    self.minTime = minTime
    self.maxTime = maxTime
  }
}

/// A part as the catalog lists it.
package struct PartRecord: Hashable, Sendable {
  /// Its number, which names its folder.
  package var id: PartID
  /// What it holds.
  package var summary: PartSummary
  /// Bytes of all its files.
  package var bytes: UInt64

  /// A record from its parts.
  package init(id: PartID, summary: PartSummary, bytes: UInt64) {
    self.id = id
    self.summary = summary
    self.bytes = bytes
  }
}
