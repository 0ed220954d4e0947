import NeedletailTelemetry

/// A native histogram at an instant, as it lies in a head or comes out of a part.
struct StoredHistogram: Sendable {
  var timestamp: Int64
  var bytes: [UInt8]
  /// When its count began, in ms; 0 where nobody told.
  var start: Int64 = 0
}

/// An exemplar of one of an index's series.
struct StoredExemplar: Hashable, Sendable {
  var series: Int
  var timestamp: Int64
  var bits: UInt64
  var labels: [UInt8]
}

/// Whose metric a description is of.
struct MetricKey: Hashable, Sendable {
  var tenant: TenantID
  var name: String

  /// By which its description lies in a slot.
  var hash: Hash128 { MetricMetadata.key(of: name, tenant: tenant) }

  /// Names are bytes: those that only look alike are two.
  static func == (left: Self, right: Self) -> Bool {
    left.tenant == right.tenant && left.name.utf8.elementsEqual(right.name.utf8)
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(tenant)
    for byte in name.utf8 { hasher.combine(byte) }
  }
}

/// All that was appended since the last freeze: flat tables, no object for a series or a sample.
///
/// Series are numbered by the head's directory. A copy is a view of the same pages: only a frozen head's may be read.
struct HeadStorage: Sendable {
  private struct HistogramRow: BitwiseCopyable, Sendable {
    /// The one before of the same series, as an index + 1; 0 where there is none.
    var previous: UInt32
    var timestamp: Int64
    var start: Int64
    var bytes: ByteArena.Reference
  }

  private struct StartRow: BitwiseCopyable, Sendable {
    /// The one before of the same series, as an index + 1; 0 where there is none.
    var previous: UInt32
    var place: UInt32
    var start: Int64
  }

  private struct ExemplarRow: Sendable {
    var series: UInt32
    var timestamp: Int64
    var bits: UInt64
    var labels: ByteArena.Reference
  }

  private(set) var samples = SampleSlabs()
  private(set) var digests: HeadDigests
  private var states = SeriesStates()
  private var rarities = PagedArray<SeriesRarity>()
  private var histograms = PagedArray<HistogramRow>()
  private var starts = PagedArray<StartRow>()
  private var exemplars: [ExemplarRow] = []
  private var attachments = ByteArena()
  var metadata: MetricDescriptions
  /// How many series the head has something of.
  private(set) var activeCount = 0
  /// How many samples came, those included that others replaced.
  private var sampleCount = 0

  /// An empty head that keeps at most so many bytes of descriptions of metrics.
  init(_ slots: SlotMap, metadataBytesMax: Int) {
    digests = HeadDigests(slots)
    metadata = MetricDescriptions(bytesMax: metadataBytesMax)
  }

  var isEmpty: Bool { activeCount == 0 && metadata.entries.isEmpty }

  /// About what the head occupies, in bytes, without its directory.
  ///
  /// O(1).
  var byteCount: Int {
    states.byteCount + samples.byteCount + rarities.byteCount + histograms.byteCount + starts.byteCount
      + exemplars.count * MemoryLayout<ExemplarRow>.stride + attachments.byteCount + metadata.byteCount
      + digests.byteCount
  }

  // MARK: - Adding

  /// Marks the labels of these series as logged in a generation; appends to `unlogged` those that were not.
  ///
  /// They are to be logged at once, and `unmark` is to be called where that fails.
  mutating func mark(_ numbers: [UInt32], generation: UInt64, unlogged: inout [UInt32]) {
    let marker = SeriesStates.marker(generation)
    numbers.withUnsafeBufferPointer { numbers in
      for number in numbers {
        let state = states.address(Int(number))
        if state.pointee.logged == marker { continue }
        state.pointee.logged = marker
        unlogged.append(number)
      }
    }
  }

  /// Takes back what `mark` did.
  mutating func unmark(_ unlogged: [UInt32]) {
    for number in unlogged { states.address(Int(number)).pointee.logged = 0 }
  }

  /// Appends to `fresh` those of the series of which the head has nothing yet, and counts them as active from now on.
  mutating func activate(_ numbers: [UInt32], fresh: inout [UInt32]) {
    for number in numbers where number != UInt32.max {
      let state = states.address(Int(number))
      if state.pointee.isActive { continue }
      state.pointee.isActive = true
      activeCount += 1
      fresh.append(number)
    }
  }

  /// Adds a batch's samples that are within `bounds`, in ms.
  ///
  /// `numbers` are the numbers of the rows' series, all of them active; a row of an unknown one (`UInt32.max`) is
  /// passed over.
  mutating func apply(
    _ rows: SeriesRows, numbers: [UInt32], bounds: ClosedRange<Int64>
  ) -> SeriesAppendOutcome {
    var outcome = SeriesAppendOutcome()
    numbers.withUnsafeBufferPointer { numbers in
      if rows.isOneEach {
        applyOneEach(rows, numbers, bounds, &outcome)
      } else {
        applyRows(rows, numbers, bounds, &outcome)
      }
    }
    sampleCount += outcome.accepted
    applyAttachments(rows, numbers: numbers, bounds: bounds, &outcome)
    return outcome
  }

  private mutating func applyRows(
    _ rows: SeriesRows, _ numbers: UnsafeBufferPointer<UInt32>, _ bounds: ClosedRange<Int64>,
    _ outcome: inout SeriesAppendOutcome
  ) {
    for row in 0..<min(rows.seriesCount, numbers.count) where numbers[row] != UInt32.max {
      let state = states.address(Int(numbers[row]))
      let start = rows.startTimestamp(row) ?? 0
      for sample in rows.samples(of: row) {
        let time = rows.timestamp(sample)
        guard outcome.admit(time, bounds) else { continue }
        let arrival = add(rows.seriesID(row), time, rows.valueBits(sample), to: state, &outcome)
        if start != 0 || state.pointee.rarity != 0 { note(start, arrival, of: state) }
      }
    }
  }

  /// `applyRows` where each row has one sample and no start: nearly all of what comes.
  private mutating func applyOneEach(
    _ rows: SeriesRows, _ numbers: UnsafeBufferPointer<UInt32>, _ bounds: ClosedRange<Int64>,
    _ outcome: inout SeriesAppendOutcome
  ) {
    for row in 0..<min(rows.seriesCount, numbers.count) where numbers[row] != UInt32.max {
      let time = rows.timestamp(row)
      guard outcome.admit(time, bounds) else { continue }
      let state = states.address(Int(numbers[row]))
      let arrival = add(rows.seriesID(row), time, rows.valueBits(row), to: state, &outcome)
      if state.pointee.rarity != 0 { note(0, arrival, of: state) }
    }
  }

  @inline(__always) private mutating func add(
    _ id: SeriesID, _ time: Int64, _ bits: UInt64, to state: UnsafeMutablePointer<SeriesState>,
    _ outcome: inout SeriesAppendOutcome
  ) -> SampleArrival {
    let arrival = samples.append(time, bits, to: &state.pointee.chain)
    if arrival == .newest {
      if state.pointee.chain.hasTurned { digestFullChunk(of: id, state.pointee) }
      return arrival
    }
    outcome.count(arrival)
    if arrival == .inOrder || arrival == .outOfOrder {
      if state.pointee.chain.hasTurned { digestFullChunk(of: id, state.pointee) }
      digests.noteLate(id, time)
    }
    return arrival
  }

  /// Adds the samples of a chunk to the sums that was filled before the last sample came.
  @inline(never) private mutating func digestFullChunk(of id: SeriesID, _ state: SeriesState) {
    let chunk = samples.beforeNewest(state.chain)
    guard state.rarity > 0 else { return samples.withWords(chunk) { digests.add(id, $0, start: 0) } }
    // A copy of what is only read, so that the sums can be changed meanwhile.
    let (samples, starts) = (samples, starts)
    Self.forEachPiece(chunk, samples, starts, last: rarities[Int(state.rarity) - 1].startTail) {
      digests.add(id, $0, start: $1)
    }
  }

  /// Lends the samples of a chunk, those with one start each together, in no order: time and value, one behind the other.
  ///
  /// `last` is the last change of the series' start, as an index + 1.
  private static func forEachPiece(
    _ chunk: SampleChunk, _ samples: SampleSlabs, _ starts: PagedArray<StartRow>, last: UInt32,
    _ body: (UnsafeBufferPointer<UInt64>, Int64) -> Void
  ) {
    samples.withWords(chunk) { words in
      // From behind: of several changes at one place the last counts, and the chunk is mostly the newest one.
      var (next, end) = (last, words.count)
      while next != 0, end > 0 {
        let row = starts[Int(next) - 1]
        next = row.previous
        let first = max(0, Int(row.place) - chunk.place)
        guard first < end else { continue }
        body(UnsafeBufferPointer(rebasing: words[first..<end]), row.start)
        end = first
      }
      if end > 0 { body(UnsafeBufferPointer(rebasing: words[..<end]), 0) }
    }
  }

  private mutating func applyAttachments(
    _ rows: SeriesRows, numbers: [UInt32], bounds: ClosedRange<Int64>, _ outcome: inout SeriesAppendOutcome
  ) {
    for index in 0..<rows.histogramCount {
      let histogram = rows.histogram(index)
      guard numbers[histogram.row] != UInt32.max, outcome.admit(histogram.timestamp, bounds) else { continue }
      let rarity = rarity(of: states.address(Int(numbers[histogram.row])))
      let id = rows.seriesID(histogram.row)
      if rarity.pointee.histogramTail == 0 || histogram.timestamp > rarity.pointee.histogramTime {
        digests.add(
          id, histogram.timestamp, histogram: histogram.bytes, start: rows.startTimestamp(histogram.row) ?? 0)
        rarity.pointee.histogramTime = histogram.timestamp
      } else {
        digests.noteLate(id, histogram.timestamp)
      }
      histograms.append(
        HistogramRow(
          previous: rarity.pointee.histogramTail, timestamp: histogram.timestamp,
          start: rows.startTimestamp(histogram.row) ?? 0, bytes: attachments.append(histogram.bytes)))
      rarity.pointee.histogramTail = UInt32(truncatingIfNeeded: histograms.count)
    }
    for index in 0..<rows.exemplarCount {
      let exemplar = rows.exemplar(index)
      guard numbers[exemplar.row] != UInt32.max, bounds.contains(exemplar.timestamp) else { continue }
      exemplars.append(
        ExemplarRow(
          series: numbers[exemplar.row], timestamp: exemplar.timestamp, bits: exemplar.valueBits,
          labels: attachments.append(exemplar.labels)))
    }
  }

  /// Notes when the count of the sample began that was just added, or settled with the one before it.
  @inline(never) private mutating func note(
    _ told: Int64, _ arrival: SampleArrival, of state: UnsafeMutablePointer<SeriesState>
  ) {
    if arrival == .duplicate { return }
    let rarity = rarity(of: state)
    let start = arrival == .repetition ? max(told, rarity.pointee.startTimestamp) : told
    guard start != rarity.pointee.startTimestamp else { return }
    rarity.pointee.startTimestamp = start
    starts.append(
      StartRow(previous: rarity.pointee.startTail, place: state.pointee.chain.lastPlace, start: start))
    rarity.pointee.startTail = UInt32(truncatingIfNeeded: starts.count)
  }

  private mutating func rarity(
    of state: UnsafeMutablePointer<SeriesState>
  ) -> UnsafeMutablePointer<SeriesRarity> {
    if state.pointee.rarity == 0 {
      rarities.append(SeriesRarity())
      state.pointee.rarity = UInt32(truncatingIfNeeded: rarities.count)
    }
    return rarities.address(Int(state.pointee.rarity) - 1)
  }

  // MARK: - Reading

  /// The series that the head has something of, ascending.
  var activeSeries: [UInt32] {
    var result: [UInt32] = []
    result.reserveCapacity(activeCount)
    states.forEachActive { result.append(UInt32(truncatingIfNeeded: $0)) }
    return result
  }

  /// Whether the head has something of a series.
  func isActive(_ series: Int) -> Bool { states.find(series) != nil }

  /// When the count of the last sample or histogram of a series began, in ms; 0 where nobody told.
  func startTimestamp(_ series: Int) -> Int64 {
    guard let rarity = rarity(series) else { return 0 }
    if rarity.startTail == 0, rarity.histogramTail > 0 { return histograms[Int(rarity.histogramTail) - 1].start }
    return rarity.startTimestamp
  }

  /// Where the starts of a series' samples change, in order of arrival.
  private func starts(of state: SeriesState) -> [HeadStart] {
    guard state.rarity > 0 else { return [] }
    var result: [HeadStart] = []
    var next = rarities[Int(state.rarity) - 1].startTail
    while next != 0 {
      let row = starts[Int(next) - 1]
      result.append(HeadStart(place: row.place, start: row.start))
      next = row.previous
    }
    result.reverse()
    return result
  }

  private func rarity(_ series: Int) -> SeriesRarity? {
    guard let state = states.find(series), state.rarity > 0 else { return nil }
    return rarities[Int(state.rarity) - 1]
  }

  /// Appends a series' float samples within the range, sorted and settled.
  func collect(_ series: Int, from start: Int64, to end: Int64, into columns: inout SampleColumns) {
    guard let state = states.find(series) else { return }
    let first = columns.count
    samples.collect(state.chain, starts: starts(of: state), from: start, to: end, into: &columns)
    if state.chain.isUnordered { columns.settle(from: first) }
  }

  /// Lends those samples of a series that are not in `digests` yet, those with one start each together, in no order: time
  /// and value, one behind the other, and the start in ms.
  func forEachUndigested(_ series: Int, _ body: (UnsafeBufferPointer<UInt64>, Int64) -> Void) {
    guard let state = states.find(series) else { return }
    let last = state.rarity > 0 ? rarities[Int(state.rarity) - 1].startTail : 0
    Self.forEachPiece(samples.newest(state.chain), samples, starts, last: last, body)
  }

  /// A series' histograms within the range, in no order; and, where that is wanted, the last one before it.
  func histograms(
    _ series: Int, from start: Int64, to end: Int64, withOneBefore: Bool = false
  ) -> [StoredHistogram] {
    var start = start
    if withOneBefore {
      var before: Int64?
      forEachHistogram(series) { if $0.timestamp < start { before = max(before ?? .min, $0.timestamp) } }
      start = before ?? start
    }
    var result: [StoredHistogram] = []
    forEachHistogram(series) { row in
      guard row.timestamp >= start, row.timestamp <= end else { return }
      result.append(
        StoredHistogram(
          timestamp: row.timestamp, bytes: attachments.withBytes(row.bytes) { Array($0) }, start: row.start))
    }
    return result
  }

  private func forEachHistogram(_ series: Int, _ body: (HistogramRow) -> Void) {
    var next = rarity(series)?.histogramTail ?? 0
    while next != 0 {
      let row = histograms[Int(next) - 1]
      body(row)
      next = row.previous
    }
  }

  /// Whether a series has a sample within the range, as far as its earliest and latest time tell.
  func mayHave(_ series: Int, from start: Int64, to end: Int64) -> Bool {
    guard let state = states.find(series) else { return false }
    if !state.chain.isEmpty, state.chain.maxTime >= start, samples.minTime(state.chain) <= end { return true }
    guard state.rarity > 0 else { return false }
    var next = rarities[Int(state.rarity) - 1].histogramTail
    while next != 0 {
      let row = histograms[Int(next) - 1]
      if row.timestamp >= start, row.timestamp <= end { return true }
      next = row.previous
    }
    return false
  }

  /// About how many samples a series has within the range: as many as series have on average, as far as its times
  /// overlap with the range.
  func samplesExpected(_ series: Int, in range: TimeRange) -> Double {
    guard let state = states.find(series), !state.chain.isEmpty, activeCount > 0 else { return 0 }
    let share = range.share(ofTimesFrom: samples.minTime(state.chain), to: state.chain.maxTime)
    return Double(sampleCount) / Double(activeCount) * share
  }

  /// Between which times within the range all samples and histograms of a series lie, as far as its earliest and latest
  /// tell; nil where it has none there.
  func bounds(_ series: Int, in range: ClosedRange<Int64>) -> ClosedRange<Int64>? {
    guard let state = states.find(series) else { return nil }
    var result: ClosedRange<Int64>?
    if !state.chain.isEmpty {
      let times = samples.minTime(state.chain)...state.chain.maxTime
      if range.overlaps(times) { result = range.clamped(to: times) }
    }
    var next = state.rarity > 0 ? rarities[Int(state.rarity) - 1].histogramTail : 0
    while next != 0 {
      let row = histograms[Int(next) - 1]
      if range.contains(row.timestamp) {
        let (first, last) = (result?.lowerBound ?? row.timestamp, result?.upperBound ?? row.timestamp)
        result = min(first, row.timestamp)...max(last, row.timestamp)
      }
      next = row.previous
    }
    return result
  }

  /// The exemplars within the range of the series that `isWanted` accepts, in order of arrival.
  func exemplars(from start: Int64, to end: Int64, where isWanted: (Int) -> Bool) -> [StoredExemplar] {
    exemplars.compactMap { row in
      guard row.timestamp >= start, row.timestamp <= end, isWanted(Int(row.series)) else { return nil }
      return StoredExemplar(
        series: Int(row.series), timestamp: row.timestamp, bits: row.bits,
        labels: attachments.withBytes(row.labels) { Array($0) })
    }
  }
}

extension SeriesAppendOutcome {
  @inline(__always) fileprivate mutating func count(_ arrival: SampleArrival) {
    switch arrival {
    case .newest, .inOrder: break
    case .outOfOrder: outOfOrder += 1
    case .duplicate, .repetition, .replacement: duplicates += 1
    }
  }

  /// Counts a sample; false where it is not to be kept.
  @inline(__always) mutating func admit(_ time: Int64, _ bounds: ClosedRange<Int64>) -> Bool {
    if time < bounds.lowerBound {
      outOfRetention += 1
      return false
    }
    if time > bounds.upperBound {
      tooFarInFuture += 1
      return false
    }
    accepted += 1
    return true
  }
}
