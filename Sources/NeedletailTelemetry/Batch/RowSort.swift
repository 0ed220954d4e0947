/// Sorts rows that lie in columns, or whatever else has numbers.
///
/// `sorted(by:)` is compiled again, some kilobytes of it, for every closure that it is given. This is compiled once: use it
/// wherever what the closure does costs more than calling it.
package enum RowSort {
  /// The numbers below `count` in the order of what is at them; what is equal stays in the order of its numbers.
  ///
  /// O(n log n) calls of `precedes`, which has to be a strict weak order.
  @inline(never)
  package static func order(_ count: Int, by precedes: (_ left: Int, _ right: Int) -> Bool) -> [Int] {
    (0..<max(0, count)).sorted(by: precedes)
  }
}
