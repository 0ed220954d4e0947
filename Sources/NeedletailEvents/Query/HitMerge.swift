/// A row that matches, and its place in the order of the answer.
struct Hit {
  var key: EventKey
  var row: UInt32
}

/// The hits of several units as one sequence, nearest first: each unit's are sorted once, and a heap of units merges
/// them.
///
/// A unit is let go as soon as none of its hits waits. With a limit, hits that cannot be among the first of that many
/// are dropped whenever hits or units have doubled, so that neither grows with what was read.
struct HitMerge {
  /// A unit and those of its hits that wait.
  private struct Run {
    let unit: LoadedUnit
    var hits: [Hit]
    var position = 0

    var key: EventKey { hits[position].key }
  }

  private let isNewestFirst: Bool
  /// A heap by the runs' nearest keys; no run in it is empty.
  private var runs: [Run] = []
  private var hitCount = 0
  /// No hit behind this key can be returned any more.
  private var cutoff: EventKey?
  private var hitsToPrune = HitMerge.hitsToPruneMin
  private var unitsToPrune = HitMerge.unitsToPruneMin

  private static let hitsToPruneMin = 8192
  private static let unitsToPruneMin = 64

  init(isNewestFirst: Bool) { self.isNewestFirst = isNewestFirst }

  /// The key of the nearest hit.
  var nearest: EventKey? { runs.first?.key }

  /// How many units wait in memory.
  var unitCount: Int { runs.count }

  private func precedes(_ left: EventKey, _ right: EventKey) -> Bool { isNewestFirst ? right < left : left < right }

  /// Adds a unit with its hits, of which `limit` at most are still to be returned.
  mutating func add(_ unit: LoadedUnit, _ hits: [Hit], limit: Int) {
    var kept = hits
    if let cutoff { kept.removeAll { precedes(cutoff, $0.key) } }
    kept.sort { precedes($0.key, $1.key) }
    var distinct = 0
    for index in kept.indices where index == 0 || kept[index].key != kept[index - 1].key {
      guard distinct < limit else { break }
      kept[distinct] = kept[index]
      distinct += 1
    }
    kept.removeLast(kept.count - distinct)
    guard !kept.isEmpty else { return }
    hitCount += kept.count
    runs.append(Run(unit: unit, hits: kept))
    siftUp()
    guard hitCount > limit, hitCount >= hitsToPrune || runs.count >= unitsToPrune else { return }
    prune(limit)
  }

  /// Takes the nearest hit out.
  mutating func removeNearest() -> (unit: LoadedUnit, hit: Hit)? {
    guard let run = runs.first else { return nil }
    let hit = run.hits[run.position]
    hitCount -= 1
    runs[0].position += 1
    if runs[0].position == runs[0].hits.count {
      runs.swapAt(0, runs.count - 1)
      runs.removeLast()
    }
    siftDown(0)
    return (run.unit, hit)
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
    if let last, distinct == limit {
      cutoff = last
      for index in runs.indices {
        while runs[index].hits.count > runs[index].position, let key = runs[index].hits.last?.key, precedes(last, key) {
          runs[index].hits.removeLast()
          hitCount -= 1
        }
      }
      runs.removeAll { $0.position == $0.hits.count }
      for index in stride(from: runs.count / 2, through: 0, by: -1) { siftDown(index) }
    }
    hitsToPrune = max(Self.hitsToPruneMin, Self.doubled(hitCount))
    unitsToPrune = max(Self.unitsToPruneMin, Self.doubled(runs.count))
  }

  private static func doubled(_ count: Int) -> Int {
    let (doubled, overflow) = count.multipliedReportingOverflow(by: 2)
    return overflow ? .max : doubled
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
