import NeedletailBlocks
import NeedletailTelemetry

/// The digest of one slot within one window; times are in ms.
typealias DigestRow = TimedDigest

/// The digests of a part in the making, by window and slot.
///
/// A flush adds what it writes. A merge adds the digests of its inputs and takes out what it does not write: so it
/// need not decode what it passes on.
struct DigestTable: Sendable {
  private let slots: SlotMap
  private var windows: [SeriesWindow: [DigestRow]] = [:]
  /// Which slots' samples and histograms are in already, of the windows of which a head told.
  private var told: [SeriesWindow: [Bool]] = [:]

  init(_ slots: SlotMap) { self.slots = slots }

  private mutating func change(_ slot: UInt16, at time: Int64, _ body: (inout DigestRow) -> Void) {
    let window = SeriesWindow(of: time)
    body(&windows[window, default: [DigestRow](repeating: DigestRow(), count: slots.count)][Int(slot)])
  }

  /// Adds what a head tells of a day: what is in its sums is not hashed again.
  mutating func take(_ head: HeadDigests, day: Int64) {
    for window in head.windows where window.day == day {
      guard let rows = head.rows(window) else { continue }
      told[window] = rows.map { !$0.isLate }
      for (slot, row) in rows.enumerated() where !row.isLate && !row.isEmpty {
        let times = row.times(in: window)
        change(UInt16(truncatingIfNeeded: slot), at: times.lowerBound) { mine in
          mine.digest.add(row.digest)
          mine.widen(times.lowerBound, times.upperBound)
        }
      }
    }
  }

  @inline(__always) private func isTold(_ slot: UInt16, _ window: SeriesWindow) -> Bool {
    !told.isEmpty && told[window]?[Int(slot)] == true
  }

  /// Adds samples of one series, sorted by time. Where a head told of the window, only those are hashed that are not in its
  /// sums: `undigested` tells what they come to.
  mutating func add(
    _ id: SeriesID, _ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<UInt64>, _ starts: StartMarks,
    undigested: (TimeRange) -> SeriesDigest
  ) {
    let slot = slots.slot(of: id)
    var start = 0
    while start < times.count {
      let window = SeriesWindow(of: times[start])
      let first = start
      start = times.firstIndex(after: window.range.endMilliseconds, from: start)
      var digest = SeriesDigest()
      if isTold(slot, window) {
        digest = undigested(window.range)
      } else {
        digest.add(id, times, values, starts, first..<start)
      }
      change(slot, at: times[first]) { row in
        row.digest.add(digest)
        row.widen(times[first], times[start - 1])
      }
    }
  }

  /// Adds a histogram of a series.
  mutating func add(_ histogram: StoredHistogram, of id: SeriesID) {
    if isTold(slots.slot(of: id), SeriesWindow(of: histogram.timestamp)) { return }
    add(.histogram(id, histogram), of: id, at: histogram.timestamp)
  }

  /// Adds one element of a series.
  mutating func add(_ digest: SeriesDigest, of id: SeriesID, at time: Int64) {
    change(slots.slot(of: id), at: time) { row in
      row.digest.add(digest)
      row.widen(time, time)
    }
  }

  /// Takes out one element of a series; the times of what is left are not narrowed.
  mutating func remove(_ digest: SeriesDigest, of id: SeriesID, at time: Int64) {
    change(slots.slot(of: id), at: time) { $0.digest.remove(digest) }
  }

  /// Adds all that a part has; one of before format 7 is read for it.
  mutating func add(_ part: SeriesPart) throws(SeriesMaintenanceError) {
    for block in part.content.blocks(PartBlockKind.digests).indices {
      let window: SeriesWindow
      let rows: [(slot: UInt16, row: DigestRow)]
      do throws(SeriesDamage) { (window, rows) = try part.digests(block) } catch { throw .damage(error) }
      let read = part.hasStartDigests ? nil : try digests(window, byReading: part)
      for (slot, row) in rows where Int(slot) < slots.count {
        change(slot, at: window.range.startMilliseconds) { mine in
          mine.digest.add(read?[Int(slot)] ?? row.digest)
          mine.widen(row.first, row.last)
        }
      }
    }
  }

  private func digests(
    _ window: SeriesWindow, byReading part: SeriesPart
  ) throws(SeriesMaintenanceError) -> [SeriesDigest] {
    do throws(SeriesDigestError) {
      var reading = DigestReading(window, slots, only: nil)
      do throws(SeriesDamage) { try reading.add(part, PartIndex(part), isTold: false) } catch { throw .damage(error) }
      return try reading.run()
    } catch {
      switch error {
      case .damage(let damage): throw .damage(damage)
      case .cancelled: throw .cancelled
      }
    }
  }

  /// One block for each window that has anything, in order, and which hour of its day it is.
  func encoded() -> [(hour: UInt64, bytes: [UInt8])] {
    windows.keys.sorted().compactMap { window in
      let rows = windows[window] ?? []
      let filled = rows.indices.filter { !rows[$0].digest.isEmpty }
      guard !filled.isEmpty else { return nil }
      let bytes = DigestRow.encoded(
        filled.map { (UInt16(truncatingIfNeeded: $0), rows[$0]) }, from: window.range.startMilliseconds)
      return (UInt64(clamping: window.hour), bytes)
    }
  }
}

extension UnsafeBufferPointer<Int64> {
  /// The index of the first of these ascending times that is later than `time`; `count` where none is.
  fileprivate func firstIndex(after time: Int64, from start: Int) -> Int {
    guard count > 0, self[count - 1] > time else { return count }
    var (low, high) = (start, count)
    while low < high {
      let middle = low + (high - low) / 2
      if self[middle] > time { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension SeriesPart {
  /// The window of a block of digests, and what it has of each slot, by slot.
  func digests(_ block: Int) throws(SeriesDamage) -> (SeriesWindow, [(slot: UInt16, row: DigestRow)]) {
    let kind = PartBlockKind.digests
    let hour = content.first(ofBlock: block, kind: kind)
    guard hour < UInt64(SeriesWindow.perDay),
      let window = SeriesWindow(day: record.summary.partition, hour: Int64(hour))
    else { throw damage("digests of no hour of the day", kind: kind, block: block) }
    let bytes = try self.block(block, kind: kind)
    var result: Result<[(slot: UInt16, row: DigestRow)], MalformedBytes> = .failure(.truncated)
    bytes.withUnsafeBytes { bytes in
      result = Result { () throws(MalformedBytes) in try DigestRow.decode(bytes, window.times) }
    }
    do throws(MalformedBytes) { return (window, try result.get()) } catch {
      throw damage("\(error)", kind: kind, block: block)
    }
  }

  /// The windows of which it has digests: all that it has anything of.
  var digestedWindows: [SeriesWindow] {
    content.blocks(PartBlockKind.digests).indices.compactMap { block in
      let hour = content.first(ofBlock: block, kind: PartBlockKind.digests)
      guard hour < UInt64(SeriesWindow.perDay) else { return nil }
      return SeriesWindow(day: record.summary.partition, hour: Int64(hour))
    }
  }

  /// What the part has of each slot within a window, by slot.
  func digests(_ window: SeriesWindow) throws(SeriesDamage) -> [(slot: UInt16, row: DigestRow)] {
    guard window.day == record.summary.partition else { return [] }
    let hour = UInt64(clamping: window.hour)
    let block = content.block(of: hour, kind: PartBlockKind.digests)
    guard block != .max, content.first(ofBlock: block, kind: PartBlockKind.digests) == hour else { return [] }
    return try digests(block).1
  }
}
