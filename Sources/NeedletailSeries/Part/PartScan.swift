import NeedletailTelemetry

/// Reads runs of one kind of a part, series by series in order, and keeps the block that it read last.
struct PartScan: Sendable {
  /// A series' runs that are still to be read.
  struct Runs: Sendable {
    /// Where the next one lies among the bytes of all blocks.
    fileprivate var position: UInt64
    fileprivate var left: UInt32
    /// When the counts of their samples began where they say nothing of it, in ms; 0 where nobody told.
    let start: Int64
    /// How many were read.
    fileprivate var read: UInt32 = 0

    init(_ position: UInt64, count: UInt32, start: Int64) {
      self.position = position
      self.start = start
      left = count
    }
  }

  let part: SeriesPart
  private let kind: UInt8
  private var number = -1
  /// Where the block begins among the bytes of all.
  private var start: UInt64 = 0
  private var bytes: [UInt8] = []
  private var failure: SeriesDamage?
  private let cache: PartBlockCache?
  /// How often a block was looked up.
  private(set) var blocksRead = 0

  /// Without a cache where each block is read once, as by a merge.
  init(_ part: SeriesPart, kind: UInt8, cache: PartBlockCache? = nil) {
    self.part = part
    self.kind = kind
    self.cache = cache
  }

  /// Reads the next run's bytes; false where there is none.
  ///
  /// `decode` leaves the reader behind the run.
  mutating func next(
    _ runs: inout Runs, _ decode: (inout ByteReader) throws(MalformedBytes) -> Void
  ) throws(SeriesDamage) -> Bool {
    guard runs.left > 0 else { return false }
    if failure != nil || runs.position < start || runs.position - start >= UInt64(bytes.count) {
      try load(part.content.block(of: runs.position, kind: kind))
    }
    let offset = Int(truncatingIfNeeded: runs.position - start)
    var problem: MalformedBytes?
    var end = offset
    bytes.withUnsafeBytes { bytes in
      guard offset < bytes.count else {
        problem = .truncated
        return
      }
      var reader = ByteReader(bytes)
      do throws(MalformedBytes) {
        _ = try reader.read(count: offset)
        try decode(&reader)
      } catch { problem = error }
      end = reader.offset
    }
    if let problem { throw damage("\(problem)") }
    runs.left -= 1
    runs.read += 1
    runs.position = start + UInt64(end)
    return true
  }

  /// The bytes of the block that the last run lies in.
  func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var result: Swift.Result<Result, Failure>?
    bytes.withUnsafeBytes { bytes in
      let slice = UnsafeRawBufferPointer(rebasing: bytes[range])
      result = Swift.Result { () throws(Failure) in try body(slice) }
    }
    guard let result else { preconditionFailure("bytes are lent once") }
    return try result.get()
  }

  /// What to say of the block that was read last.
  func damage(_ reason: String) -> SeriesDamage { part.damage(reason, kind: kind, block: max(0, number)) }

  private mutating func load(_ block: Int) throws(SeriesDamage) {
    if block != number {
      (number, start, bytes, failure) = (block, 0, [], nil)
      blocksRead += 1
      do throws(SeriesDamage) {
        bytes = try part.block(block, kind: kind, through: cache)
        start = part.content.first(ofBlock: block, kind: kind)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }
}

/// Reads the float samples of a part's series.
struct SampleScan: Sendable {
  private var scan: PartScan
  private var times: TimeColumnReader
  private var values: [Double] = []

  /// How often a block was looked up, of values.
  var blocksRead: Int { scan.blocksRead }

  init(_ part: SeriesPart, cache: PartBlockCache? = nil) {
    scan = PartScan(part, kind: PartBlockKind.samples, cache: cache)
    times = TimeColumnReader(part, cache: cache)
  }

  /// A run of which the times are known and the values are not decoded yet.
  struct Run: Sendable {
    /// In ms, ascending, none twice, at least one.
    var times: [Int64]
    /// When the samples' counts began.
    var starts: StartMarks
    var timeColumn: UInt32
    /// Which of its series' runs it is.
    var number: UInt32
    fileprivate var bytes: Range<Int>
  }

  /// The next run of a series; good until the next one is read.
  mutating func next(_ runs: inout PartScan.Runs) throws(SeriesDamage) -> Run? {
    guard let header = try nextHeader(&runs) else { return nil }
    return try run(header, runs)
  }

  /// Where the next run lies, of which nothing is unpacked.
  private mutating func nextHeader(_ runs: inout PartScan.Runs) throws(SeriesDamage) -> SampleRun.Header? {
    var header = SampleRun.Header(times: 0, values: 0..<0)
    let hasRunStarts = scan.part.hasRunStarts
    let isThere = try scan.next(&runs) { (reader) throws(MalformedBytes) in
      header = try SampleRun.header(&reader, mayHaveStarts: hasRunStarts)
    }
    return isThere ? header : nil
  }

  /// The run that was read last, by its head.
  private mutating func run(_ header: SampleRun.Header, _ runs: PartScan.Runs) throws(SeriesDamage) -> Run {
    let times = try times.times(header.times)
    return Run(
      times: times, starts: try starts(header, times, runs.start), timeColumn: header.times, number: runs.read - 1,
      bytes: header.values)
  }

  private func starts(
    _ header: SampleRun.Header, _ times: [Int64], _ common: Int64
  ) throws(SeriesDamage) -> StartMarks {
    guard !header.starts.isEmpty else {
      return RunStarts.common(common, times, isLatest: !scan.part.hasRunStarts)
    }
    do throws(MalformedBytes) {
      return try scan.withBytes(header.starts) { (bytes) throws(MalformedBytes) in
        try RunStarts.decode(bytes, count: times.count)
      }
    } catch { throw scan.damage("\(error)") }
  }

  /// Appends the values of the run that was read last.
  func decode(_ run: Run, into values: inout [Double]) throws(SeriesDamage) {
    do throws(MalformedBytes) {
      try scan.withBytes(run.bytes) { (bytes) throws(MalformedBytes) in
        try SampleRun.decode(bytes, count: run.times.count, into: &values)
      }
    } catch { throw scan.damage("\(error)") }
  }

  /// Lends the encoded values of the run that was read last.
  func withValueBytes<Result, Failure: Error>(
    of run: Run, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result { try scan.withBytes(run.bytes, body) }

  /// Appends a series' samples within the range, in ms, sorted by time; where it throws, `columns` is as before.
  ///
  /// In place of the runs of these summaries come samples of the stand-ins' values, unless the run has starts of its own.
  mutating func read(
    _ runs: PartScan.Runs, from start: Int64, to end: Int64, replacing replaced: [SummaryRow] = [],
    with standIns: StandIns? = nil, into columns: inout SampleColumns
  ) throws(SeriesDamage) {
    var runs = runs
    let before = columns.count
    var values = self.values
    self.values = []
    defer { self.values = values }
    do throws(SeriesDamage) {
      while let header = try nextHeader(&runs) {
        if let standIns, header.starts.isEmpty, let row = replaced.first(where: { $0.run == runs.read - 1 }) {
          columns.noteStart(0)
          columns.append(row.summary, standIns.values)
          continue
        }
        let run = try run(header, runs)
        let range = Self.range(of: run.times, from: start, to: end)
        if range.isEmpty { continue }
        values.removeAll(keepingCapacity: true)
        try decode(run, into: &values)
        columns.noteStarts(run.starts, range)
        columns.append(run.times, values, range)
      }
    } catch {
      columns.truncate(to: before)
      throw error
    }
  }

  /// The indices of ascending times that lie within the range.
  private static func range(of times: [Int64], from start: Int64, to end: Int64) -> Range<Int> {
    if times[0] >= start, times[times.count - 1] <= end { return times.indices }
    let first = times.firstIndex(notBefore: start)
    return first..<max(first, end == .max ? times.count : times.firstIndex(notBefore: end + 1))
  }
}

extension [Int64] {
  /// The first index of ascending numbers at which one is not less than `bound`; the end where all are.
  func firstIndex(notBefore bound: Int64, in range: Range<Int>? = nil) -> Int {
    var (low, high) = (range?.lowerBound ?? 0, range?.upperBound ?? count)
    while low < high {
      let middle = low + (high - low) / 2
      if self[middle] < bound { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

extension SampleColumns {
  /// Appends a part of two columns.
  mutating func append(_ times: [Int64], _ values: [Double], _ range: Range<Int>) {
    timestamps.append(contentsOf: times[range])
    values.withUnsafeBufferPointer { doubles in
      doubles.withMemoryRebound(to: UInt64.self) { self.values.append(contentsOf: $0[range]) }
    }
  }
}
