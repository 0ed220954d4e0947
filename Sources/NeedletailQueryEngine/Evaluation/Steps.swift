/// The times at which an expression is evaluated, in milliseconds: `start`, then every `interval` up to `end`.
struct Steps: Sendable, Hashable {
  let start: Int64
  let end: Int64
  let interval: Int64
  /// How many there are, at least one unless `end` is before `start`.
  let count: Int

  init(start: Int64, end: Int64, interval: Int64) {
    self.start = start
    self.end = end
    self.interval = interval
    count = end < start ? 0 : Int((end - start) / interval) + 1
  }

  func time(_ index: Int) -> Int64 { start + Int64(index) * interval }
}
