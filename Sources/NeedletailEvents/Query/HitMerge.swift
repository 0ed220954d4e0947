/// A row that matches, and its place in the order of the answer.
struct Hit {
  var key: EventKey
  var row: UInt32
}

/// The hits of several units as one sequence, nearest first: each unit's are sorted once, and a heap of units merges
/// them.
///
/// A unit is let go as soon as none of its hits waits. With a limit, hits that cannot be among the first of that many
/// are dropped whenever hits or units have doubled, so that neither grows with what was read. Where some of the first
/// cannot be read and more are wanted, the merge is spent: the dropped ones are to be added to another.
struct HitMerge {
  /// A unit and those of its hits that wait.
  private struct Run {
    let unit: LoadedUnit
    let number: Int
    var hits: [Hit]
    var position = 0

    var key: EventKey { hits[position].key }
  }

  private let isNewestFirst: Bool
  /// Hits up to this key are not wanted: another merge had them.
  private let start: EventKey?
  /// A heap by the runs' nearest keys; no run in it is empty.
  private var runs: [Run] = []
  private var hitCount = 0
  /// Up to this key all hits are here; behind it some were dropped.
  private var cutoff: EventKey?
  private var hitsToPrune = HitMerge.hitsToPruneMin
  private var unitsToPrune = HitMerge.unitsToPruneMin

  /// How many hits may wait without any being dropped.
  static let hitsToPruneMin = 8192
  private static let unitsToPruneMin = 64

  /// A merge of the hits behind `start`; of all where it is nil.
  init(isNewestFirst: Bool, after start: EventKey? = nil) {
    self.isNewestFirst = isNewestFirst
    self.start = start
  }

  /// The key of the nearest hit; the cutoff where none waits up to it.
  var front: EventKey? { isSpent ? cutoff : runs.first?.key }

  /// Whether no hit waits up to the cutoff, so that the next one may be among those that were dropped.
  var isSpent: Bool {
    guard let cutoff else { return false }
    return runs.first.map { precedes(cutoff, $0.key) } ?? true
  }

  /// How many units wait in memory.
  var unitCount: Int { runs.count }

  private func precedes(_ left: EventKey, _ right: EventKey) -> Bool { isNewestFirst ? right < left : left < right }

  /// Adds a unit, known by `number`, with its hits, of which `limit` at most are still to be returned.
  mutating func add(_ unit: LoadedUnit, number: Int, _ hits: [Hit], limit: Int) {
    var kept = hits
    if let start { kept.removeAll { !precedes(start, $0.key) } }
    if let cutoff { kept.removeAll { precedes(cutoff, $0.key) } }
    kept.sort { precedes($0.key, $1.key) }
    var distinct = 0
    for index in kept.indices where index == 0 || kept[index].key != kept[index - 1].key {
      guard distinct < limit else {
        if distinct > 0 { cut(behind: kept[distinct - 1].key) }
        break
      }
      kept[distinct] = kept[index]
      distinct += 1
    }
    kept.removeLast(kept.count - distinct)
    guard !kept.isEmpty else { return }
    hitCount += kept.count
    runs.append(Run(unit: unit, number: number, hits: kept))
    siftUp()
    guard hitCount > limit, hitCount >= hitsToPrune || runs.count >= unitsToPrune else { return }
    prune(limit)
  }

  /// Takes the nearest hit out; not to be asked for where the merge is spent.
  mutating func removeNearest() -> (unit: LoadedUnit, number: Int, hit: Hit)? {
    guard let run = runs.first else { return nil }
    let hit = run.hits[run.position]
    hitCount -= 1
    runs[0].position += 1
    if runs[0].position == runs[0].hits.count {
      runs.swapAt(0, runs.count - 1)
      runs.removeLast()
    }
    siftDown(0)
    return (run.unit, run.number, hit)
  }

  /// Drops the hits of a unit that turned out to be unreadable; copies of them in other units have their turn.
  mutating func remove(unit number: Int) {
    for run in runs where run.number == number { hitCount -= run.hits.count - run.position }
    runs.removeAll { $0.number == number }
    restoreHeap()
  }

  /// Notes that hits behind the key are dropped.
  private mutating func cut(behind key: EventKey) {
    // What was dropped once is not here again, however few hits are left up to the earlier cutoff.
    if let cutoff, precedes(cutoff, key) { return }
    cutoff = key
  }

  /// Drops all hits behind the first `limit` distinct ones.
  private mutating func prune(_ limit: Int) {
    var keys: [EventKey] = []
    keys.reserveCapacity(hitCount)
    for run in runs { for hit in run.hits[run.position...] { keys.append(hit.key) } }
    keys.sort(by: precedes)
    var distinct = 0
    var last: EventKey?
    for key in keys where key != last {
      last = key
      distinct += 1
      if distinct == limit { break }
    }
    if let last, distinct == limit { cut(behind: last) }
    if let cutoff {
      for index in runs.indices {
        while runs[index].hits.count > runs[index].position, let key = runs[index].hits.last?.key,
          precedes(cutoff, key)
        {
          runs[index].hits.removeLast()
          hitCount -= 1
        }
      }
      runs.removeAll { $0.position == $0.hits.count }
      restoreHeap()
    }
    hitsToPrune = max(Self.hitsToPruneMin, Self.doubled(hitCount))
    unitsToPrune = max(Self.unitsToPruneMin, Self.doubled(runs.count))
  }

  private static func doubled(_ count: Int) -> Int {
    let (doubled, overflow) = count.multipliedReportingOverflow(by: 2)
    return overflow ? .max : doubled
  }

  private mutating func restoreHeap() {
    for index in stride(from: runs.count / 2, through: 0, by: -1) { siftDown(index) }
  }

  private mutating func siftUp() {
    var child = runs.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard precedes(runs[child].key, runs[parent].key) else { return }
      runs.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var first = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < runs.count {
        if precedes(runs[child].key, runs[first].key) { first = child }
      }
      guard first != parent else { return }
      runs.swapAt(parent, first)
      parent = first
    }
  }
}
