import NeedletailEnvironment

/// How long rows are kept, by hours that are short here. Each node goes by its own clock on the wall, and tells of whole hours alone.
///
/// The state machines are told the first hour that is whole, and no more: the rest of it a real node has in its engines
/// (`SeriesRetention`, `SlotSnapshot.isKept`), in `RepairWindows` and in `SeriesEngine.comparedFrom`, and the shell here.
struct SimulatedRetention {
  /// In ns.
  static let hour: Int64 = 2_000_000_000
  /// By how much clocks may differ without a read missing anything: as much of an hour as ten minutes are.
  static let tolerance = hour / 6
  /// What all clocks would show when the run begins.
  static let start = 1_000 * hour

  /// In ns; nil for ever.
  var length: Int64?
  /// How far a clock may be off, in ns.
  var skewMax = 3_600 * Int64(1_000_000_000)

  init(_ generator: inout SeededGenerator) {
    guard Int.random(in: 0..<2, using: &generator) == 0 else { return }
    // The edge lies anywhere within an hour.
    length = Int64.random(in: (6 * Self.hour)...(14 * Self.hour), using: &generator)
    skewMax = Bool.random(using: &generator) ? Self.tolerance / 2 : 2 * Self.hour
  }

  /// The first instant that is kept.
  func earliest(at wall: Int64) -> Int64 { length.map { wall - $0 } ?? .min }

  /// The first window of which nothing has expired.
  func first(at wall: Int64) -> Int64 { length.map { Self.floor(wall - $0 + Self.hour - 1) } ?? .min }

  /// The window that begins to leave, or the first one that is whole.
  func partial(at wall: Int64) -> Int64 { length.map { Self.floor(wall - $0) } ?? .min }

  /// The first window that a read is of: the first that others still have whole too, whose clocks are ahead.
  func comparedFrom(at wall: Int64) -> Int64 {
    length.map { Self.floor(wall - $0 + Self.tolerance + Self.hour - 1) } ?? .min
  }

  static func window(at wall: Int64) -> Int64 { floor(wall) }

  private static func floor(_ time: Int64) -> Int64 { time >= 0 ? time / hour : (time - hour + 1) / hour }
}
