/// A node of a slot's Merkle tree: 32^level windows that lie side by side.
///
/// At level 0 is a single window, whose children are buckets of series.
package struct TreeNode: Hashable, Comparable, Sendable, CustomStringConvertible {
  static let fanOutBits = 5
  /// Two nodes of it, one before 1970, span all windows that a time in milliseconds can lie in: 2^42 hours on either
  /// side.
  static let topLevel: UInt8 = 9

  package let level: UInt8
  /// The number of the node's first window, shifted by 5 bits a level.
  package let index: Int64

  /// Nil above the topmost level.
  package init?(level: UInt8, index: Int64) {
    guard level <= Self.topLevel else { return nil }
    self.init(trusted: level, index)
  }

  private init(trusted level: UInt8, _ index: Int64) {
    self.level = level
    self.index = index
  }

  /// The node at a level over a window.
  init(at level: UInt8, over window: Int64) {
    self.init(trusted: min(level, Self.topLevel), window >> (Int64(min(level, Self.topLevel)) * Int64(Self.fanOutBits)))
  }

  static func window(_ number: Int64) -> TreeNode { TreeNode(trusted: 0, number) }

  /// The windows beneath; of one that lies beyond all windows those that are not cut off.
  var windows: ClosedRange<Int64> {
    let shift = Int64(level) * Int64(Self.fanOutBits)
    let (first, isOut) = index.multipliedReportingOverflow(by: 1 << shift)
    guard !isOut else { return index < 0 ? .min ... .min : .max ... .max }
    let (last, isPast) = first.addingReportingOverflow((1 << shift) - 1)
    return first...(isPast ? .max : last)
  }

  package static func < (left: TreeNode, right: TreeNode) -> Bool {
    left.level != right.level ? left.level < right.level : left.index < right.index
  }

  package var description: String { "\(level):\(index)" }
}
