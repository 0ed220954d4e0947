/// What is to happen when, on a virtual clock: the earliest first, of one instant what was put in first.
package struct EventQueue<Event> {
  private struct Entry {
    var time: Int64
    var sequence: UInt64
    var event: Event

    func precedes(_ other: Entry) -> Bool {
      time != other.time ? time < other.time : sequence < other.sequence
    }
  }

  private var heap: [Entry] = []
  private var sequence: UInt64 = 0

  package init() {}

  /// When the next one is due; nil where nothing is.
  package var nextTime: Int64? { heap.first?.time }

  package mutating func add(_ event: Event, at time: Int64) {
    sequence += 1
    heap.append(Entry(time: time, sequence: sequence, event: event))
    var child = heap.count - 1
    while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  /// Takes the next one out.
  package mutating func pop() -> (time: Int64, event: Event)? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return (first.time, first.event) }
    heap[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].precedes(heap[least]) {
        least = child
      }
      if least == parent { break }
      heap.swapAt(parent, least)
      parent = least
    }
    return (first.time, first.event)
  }
}
