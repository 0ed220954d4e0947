import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

/// The deletions that apply to one part, and once somebody asked, which of its series they name.
///
/// It does not change: a further deletion makes another one of it.
final class PartDeletions: Sendable {
  /// As the catalog keeps them, each once.
  let contents: [[UInt8]]
  private let deletions: [SeriesDeletion]
  /// Why one of them cannot be read: nothing of the part can be believed then.
  private let problem: String?
  private let found = Lock<DeletedSeries?>(nil)
  private let share = Lock<Double?>(nil)

  init(_ contents: [[UInt8]]) {
    self.contents = contents
    var deletions: [SeriesDeletion] = []
    var problem: String?
    for content in contents {
      do throws(MalformedBytes) {
        deletions.append(try SeriesDeletion(decoding: content))
      } catch { problem = "a deletion in the catalog cannot be read: \(error)" }
    }
    self.deletions = deletions
    self.problem = problem
  }

  /// What becomes of the deletions of the parts that some tombstones are of.
  ///
  /// Compiles expressions, so that it is not to be called under a lock that an append may wait for.
  static func adding(
    _ tombstones: [PartTombstone], to current: [PartID: PartDeletions]
  ) -> [PartID: PartDeletions] {
    Dictionary(grouping: tombstones, by: \.part).reduce(into: [:]) { result, entry in
      let known = current[entry.key]?.contents ?? []
      let new = entry.value.map(\.content).filter { !known.contains($0) }
      if !new.isEmpty { result[entry.key] = PartDeletions(known + new) }
    }
  }

  /// Whether any of them may take something of a range away.
  func touches(_ range: TimeRange) -> Bool { problem != nil || deletions.contains { $0.range.overlaps(range) } }

  /// The series that they name in the part, looked up once.
  ///
  /// Throws where the part's index cannot tell.
  func series(in index: PartIndex) throws(SeriesDamage) -> DeletedSeries {
    if let found = found.withLock({ $0 }) { return found }
    if let problem { throw index.part.damage(problem) }
    var result = DeletedSeries()
    for deletion in deletions { try result.add(deletion, in: index) }
    found.withLock { [result] in $0 = result }
    return result
  }
}

extension PartDeletions {
  /// From which share of a part's series' times that are deleted it is rewritten by itself.
  private static let shareMin = 0.25
  /// From how many deletions on.
  private static let countMin = 64

  /// Whether the part is to be rewritten without waiting for others to be merged with: much of it is deleted, or by so
  /// many deletions that queries feel them.
  ///
  /// One whose index cannot tell is not. Worked out once.
  func areWorthRewriting(_ index: PartIndex) -> Bool {
    if contents.count >= Self.countMin { return true }
    if let share = share.withLock({ $0 }) { return share >= Self.shareMin }
    guard let share = try? series(in: index).share(of: index) else { return false }
    self.share.withLock { $0 = share }
    return share >= Self.shareMin
  }
}

extension DeletedSeries {
  /// Adds what a deletion names in a part.
  mutating func add(_ deletion: SeriesDeletion, in index: PartIndex) throws(SeriesDamage) {
    guard index.part.overlaps(deletion.range), let view = index.view(of: deletion.tenant) else { return }
    let selected = view.select(deletion.matchers)
    // A list that is missing may have kept series out, or let some in.
    if let damage = index.takeDamage() { throw damage }
    add(selected, in: deletion.range)
  }

  /// Whether nothing is left of a series within a range, as far as its record tells.
  func takesAll(_ series: Int, _ record: PartSeriesRecord, in range: TimeRange) -> Bool {
    let first = max(range.startMilliseconds, record.minTime)
    let last = min(range.endMilliseconds, record.maxTime)
    guard first <= last else { return false }
    return times(of: series).covers(first, last)
  }

  /// How much of a part they take away, as a fraction of its series' times.
  ///
  /// Reads the records of the series concerned.
  func share(of index: PartIndex) throws(SeriesDamage) -> Double {
    guard !isEmpty, index.content.seriesCount > 0 else { return 0 }
    var reader = PartSeriesReader(index)
    var seen = SeriesBitmap(universe: index.content.seriesCount)
    forEachSeries { seen.insert($0) }
    var numbers: [Int] = []
    seen.forEach { numbers.append($0) }
    var whole = 0.0
    for number in numbers {
      let record = try reader.record(number)
      guard record.minTime <= record.maxTime else { continue }
      // Times may be at both ends of what 64 bits hold.
      let span = Double(record.maxTime) - Double(record.minTime) + 1
      for range in times(of: number).ranges where range.overlaps(record.minTime...record.maxTime) {
        let clamped = range.clamped(to: record.minTime...record.maxTime)
        whole += (Double(clamped.upperBound) - Double(clamped.lowerBound) + 1) / span
      }
    }
    return whole / Double(index.content.seriesCount)
  }
}
