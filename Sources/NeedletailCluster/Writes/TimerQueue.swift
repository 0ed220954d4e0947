/// What is due when: a heap of times, each with a place in somebody's table and the serial number of what was there.
///
/// Entries are not taken back: who pops one looks whether it still stands for something. What is due at one time comes by serial number.
struct TimerQueue: Sendable {
  struct Entry: Sendable {
    let time: Int64
    let serial: UInt64
    let index: Int

    fileprivate func precedes(_ other: Entry) -> Bool {
      time != other.time ? time < other.time : serial < other.serial
    }
  }

  private var heap: [Entry] = []

  var count: Int { heap.count }
  /// The earliest time of all.
  var first: Int64? { heap.first?.time }

  /// O(log n).
  mutating func add(_ entry: Entry) {
    heap.append(entry)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].precedes(heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes the earliest entry where it is due. O(log n).
  mutating func popDue(at now: Int64) -> Entry? {
    guard let first = heap.first, first.time <= now else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      sink(0)
    }
    return first
  }

  /// Drops what no longer stands for anything. O(n).
  mutating func keep(where isAlive: (Entry) -> Bool) {
    heap.removeAll { !isAlive($0) }
    for parent in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(parent) }
  }

  private mutating func sink(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].precedes(heap[least]) {
        least = child
      }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
