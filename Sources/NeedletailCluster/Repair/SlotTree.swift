import NeedletailTelemetry

/// What one replica holds of one slot within some windows, as a digest for each block of 32 of them: what the two sides
/// of an exchange begin with.
///
/// It is made when a slot is compared, from digests that are kept anyway, and is gone with the exchange. What lies
/// beneath a block, windows and their buckets, is asked for where blocks differ.
package struct SlotTree: Equatable, Sendable {
  /// That of the blocks; nodes above are summed up when they are asked for.
  static let level: UInt8 = 1

  /// Those that have something, ascending.
  private var blocks: [RepairMessage.Child] = []
  /// The digest of all.
  package private(set) var root = RangeDigest()

  /// That of an empty slot.
  package init() {}

  /// The number of the block that a window lies in.
  package static func block(of window: Int64) -> Int64 { window >> Int64(TreeNode.fanOutBits) }

  /// The windows of a block.
  package static func windows(ofBlock block: Int64) -> ClosedRange<Int64> {
    TreeNode(level: level, index: block)?.windows ?? 0...0
  }

  /// Adds what a window or several of one block have; blocks come ascending, each as often as it likes.
  package mutating func add(_ digest: RangeDigest, block: Int64) {
    guard !digest.isEmpty else { return }
    root.add(digest)
    if blocks.last?.index != block { blocks.append(RepairMessage.Child(index: block, digest: RangeDigest())) }
    blocks[blocks.count - 1].digest.add(digest)
  }

  /// The nodes of a level beneath `node`, of all where it is nil, that a comparison of the windows is of; no level below
  /// that of blocks.
  func nodes(
    at level: UInt8, beneath node: TreeNode?, within range: ClosedRange<Int64>
  ) -> [RepairMessage.Child] {
    var found: [RepairMessage.Child] = []
    let beneath = node?.windows ?? .min ... .max
    for block in blocks {
      let windows = Self.windows(ofBlock: block.index)
      guard beneath.overlaps(windows), range.compares(anyOf: windows) else { continue }
      let index = TreeNode(at: max(level, Self.level), over: windows.lowerBound).index
      if found.last?.index != index { found.append(RepairMessage.Child(index: index, digest: RangeDigest())) }
      found[found.count - 1].digest.add(block.digest)
    }
    return found
  }

  /// The children of a node above the blocks, or the topmost nodes; where there is one alone, its children, and so on
  /// down to the blocks.
  func children(
    of node: TreeNode?, within range: ClosedRange<Int64>
  ) -> (level: UInt8, nodes: [RepairMessage.Child]) {
    var level = node?.level ?? TreeNode.topLevel + 1
    var found: [RepairMessage.Child] = []
    repeat {
      level = max(Self.level, level > 0 ? level - 1 : 0)
      found = nodes(at: level, beneath: node, within: range)
    } while level > Self.level && found.count == 1
    return (level, found)
  }
}
