import NeedletailBlocks

/// Which parts of a day are merged next.
///
/// While a day goes on, parts of about one size are merged, some at a time, so that each sample is written again only a
/// few times. A day that is over and to which nothing was added for a while becomes one part, or as few as the bound
/// on a merged part's size allows.
struct MergePolicy: Sendable {
  /// Parts of a closed day that are merged at a time: each has files open and blocks in memory.
  static let closedFanIn = 32
  /// Parts smaller than this count as equally small, in bytes.
  static let smallBytes: UInt64 = 1 << 20
  /// How many times larger than the smallest the largest of parts of one size may be.
  static let sizeRatio: UInt64 = 8
  /// A part of a closed day that is as many times larger than the others together is left as it is, so that stragglers
  /// do not make a whole day be written again and again.
  static let stragglerRatio: UInt64 = 32

  /// Parts that are merged at a time while their day goes on; at least 2.
  var fanIn: Int
  /// The most that the parts of a merge may hold together, in bytes.
  var bytesMax: UInt64
  /// How long nothing must have been added to a day that is over, in ms.
  var quietMilliseconds: Int64

  /// The parts to merge next, all of one day; none where there is nothing to do.
  ///
  /// `lastAdded` tells when something was added to a day, in ms since 1970, for those that had anything since the start.
  func choose(_ parts: [PartRecord], lastAdded: [Int64: Int64], now: Int64) -> [PartID] {
    let days = Dictionary(grouping: parts) { $0.summary.partition }
    for day in days.keys.sorted() {
      let sorted = (days[day] ?? []).sorted { ($0.bytes, $0.id) < ($1.bytes, $1.id) }
      let chosen = isClosed(day, lastAdded[day], now) ? all(sorted) : tier(sorted)
      if chosen.count > 1 { return chosen.map(\.id) }
    }
    return []
  }

  private func isClosed(_ day: Int64, _ lastAdded: Int64?, _ now: Int64) -> Bool {
    guard SeriesEngine.day(of: now) > day else { return false }
    guard let lastAdded else { return true }
    let (quiet, overflow) = now.subtractingReportingOverflow(lastAdded)
    return overflow || quiet >= quietMilliseconds
  }

  /// Some of about one size, the smallest that there are.
  private func tier(_ sorted: [PartRecord]) -> [PartRecord] {
    guard sorted.count >= fanIn else { return [] }
    for start in 0...(sorted.count - fanIn) {
      let window = sorted[start..<(start + fanIn)]
      let smallest = max(Self.smallBytes, sorted[start].bytes)
      let largest = sorted[start + fanIn - 1].bytes
      if largest / Self.sizeRatio <= smallest, fitting(window).count == fanIn { return Array(window) }
    }
    return []
  }

  /// As many of the smallest as fit.
  private func all(_ sorted: [PartRecord]) -> [PartRecord] {
    var chosen = fitting(sorted.prefix(Self.closedFanIn))
    if let largest = chosen.last, chosen.count > 1 {
      let rest = chosen.dropLast().reduce(UInt64(0)) { $0 &+ $1.bytes }
      if largest.bytes / Self.stragglerRatio > rest { chosen.removeLast() }
    }
    return chosen
  }

  private func fitting(_ parts: ArraySlice<PartRecord>) -> [PartRecord] {
    var bytes: UInt64 = 0
    var chosen: [PartRecord] = []
    for part in parts {
      let (sum, overflow) = bytes.addingReportingOverflow(part.bytes)
      guard !overflow, sum <= bytesMax else { break }
      bytes = sum
      chosen.append(part)
    }
    return chosen
  }
}
