import Logging
import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

/// Reads everything stored once in a while, slowly, so that what a disk lost is found while other replicas have it.
struct ScrubLoop: Sendable {
  /// How much is read in a second: little of a disk, and a terabyte in three days.
  static let bytesPerSecond: UInt64 = 4 << 20
  /// From the end of one scrub to the begin of the next.
  static let interval = Duration.seconds(7 * 86_400)
  /// The first one waits until what a start has to do is done.
  static let firstAfter = Duration.seconds(600)

  let folder: DataFolder
  let clock: any WallClock
  let logger: Logger
  /// What was found, part by part.
  let report: @Sendable (RepairDamage) async -> Void
  var limits = WorkLimits(bytesPerSecond: bytesPerSecond, busyPercent: 50)
  var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

  /// Scrubs until the task is cancelled.
  func run() async {
    let executor = ThreadExecutor(threads: 1)
    var pause = Self.firstAfter
    while !Task.isCancelled {
      do { try await sleep(pause) } catch { break }
      // Only a task can be cancelled, not a call that waits in a pool: the scrub runs as part of this task.
      await withTaskExecutorPreference(executor) { await once() }
      pause = Self.interval
    }
    await executor.shutDown()
  }

  /// One scrub of all parts.
  func once() async {
    var found: [ScrubbedDamage] = []
    do throws(DataFolderError) {
      try folder.scrub(at: PacedWork(limits, clock: clock)) { found.append($0) }
    } catch {
      logger.error("not all that is stored could be read again", metadata: ["reason": "\(error)"])
    }
    for damage in found { for one in RepairDamage.all(of: damage) { await report(one) } }
  }
}

extension RepairDamage {
  private static let hourNanoseconds: Int64 = 3_600_000_000_000

  /// What a damaged part may hold: rows of its windows, and of metrics descriptions; of which slots, nobody can say.
  static func all(of found: ScrubbedDamage) -> [RepairDamage] {
    var all = [RepairDamage(found)]
    guard found.record.summary.kind == .series else { return all }
    all.append(all[0])
    all[1].damage.windows = SlotWindow.timeless...SlotWindow.timeless
    return all
  }

  private init(_ found: ScrubbedDamage) {
    let summary = found.record.summary
    let hour = summary.kind == .series ? Self.hourNanoseconds / 1_000_000 : Self.hourNanoseconds
    func window(_ time: Int64) -> Int64 { time / hour - (time % hour < 0 ? 1 : 0) }
    let (first, last) = (window(summary.minTime), window(summary.maxTime))
    let reason = found.damages.first.map { "\($0)" } ?? "it is not what was written"
    signal =
      switch summary.kind {
      case .series: 0
      case .logs: 1
      case .spans: 2
      }
    damage = SlotDamage(
      slots: nil, windows: min(first, last)...max(first, last), part: found.record.id.rawValue,
      reason: "part \(found.record.id): \(reason)")
  }
}
