import NeedletailTelemetry
import Synchronization

/// What one selection has found so far, counted over all tasks that read it.
final class SelectionTally: Sendable {
  private let limits: QueryLimits
  private let budget: QueryBudget
  /// What was read since others had their turn, in samples.
  private let unyielded = Atomic(0)
  private let series = Atomic(0)
  private let cells = Atomic(0)

  /// Whether the rows stay until all are there, and are not reduced as they come.
  private let keepsRows: Bool

  init(_ limits: QueryLimits, _ budget: QueryBudget, keepsRows: Bool = true) {
    self.limits = limits
    self.budget = budget
    self.keepsRows = keepsRows
  }

  /// After how many samples those who wait for a thread get one: some hundred microseconds of work. A small query never
  /// gives its thread away.
  private static let samplesPerTurn = 16_384
  /// What a series counts for beside its samples.
  private static let samplesPerSeries = 16
  /// What a chunk counts for at least, which may be all that is left of many series.
  private static let samplesPerChunk = 1024

  /// Counts a chunk; fails where there are too many series in all.
  func add(series count: Int, samples: Int) throws {
    let work = max(Self.samplesPerChunk, samples &+ count &* Self.samplesPerSeries)
    unyielded.add(work, ordering: .relaxed)
    guard series.add(count, ordering: .relaxed).newValue <= limits.series else {
      throw QueryError.execution("the query selects more than \(limits.series) series")
    }
  }

  /// Whether so much was read that others are to get a turn; the count of it begins anew.
  func takesTurn() -> Bool {
    guard unyielded.load(ordering: .relaxed) >= Self.samplesPerTurn else { return false }
    unyielded.store(0, ordering: .relaxed)
    return true
  }

  /// Fails unless so many more rows of a grid may be made.
  func reserve(rows: Int, _ steps: Steps) throws {
    let (count, overflow) = rows.multipliedReportingOverflow(by: max(1, steps.count))
    guard !overflow, count <= limits.samples, cells.add(count, ordering: .relaxed).newValue <= limits.samples else {
      throw budget.tooManySamples
    }
  }

  /// Fails unless so many more histograms may be kept in rows: each counts for as many values as it weighs.
  func reserve(_ histograms: ArraySlice<NativeHistogram>) throws {
    guard keepsRows, !histograms.isEmpty else { return }
    let weight = histograms.reduce(0) { $0 &+ $1.sampleWeight &- 1 }
    guard cells.add(weight, ordering: .relaxed).newValue <= limits.samples else { throw budget.tooManySamples }
  }

  /// Gives back rows that were not needed.
  func giveBack(rows: Int, _ steps: Steps) { cells.subtract(rows * max(1, steps.count), ordering: .relaxed) }
}
