// The tree over one slot: windows (hours), and in each of them buckets of series. Only buckets and windows are
// stored. What lies above a window is a sum over the windows beneath it, and is added up when it is asked for. So a
// change touches one bucket, one window and the root.

import NeedletailTelemetry

/// The digests of what one replica holds of one slot.
///
/// A leaf is the digest of a bucket of series within a window. A window takes 72 bytes, and 32 for each bucket that
/// has something; who keeps many slots makes a slot's tree only while the slot is compared.
package struct MerkleTree: Equatable, Sendable {
  /// Buckets of a window: part of what nodes agree on.
  package static let bucketCount = SlotMap.bucketCount

  private struct Bucket: Equatable, Sendable {
    var number: UInt8
    var digest: RangeDigest
  }

  private struct Window: Equatable, Sendable {
    var number: Int64
    var digest = RangeDigest()
    /// Those that have something, ascending.
    var buckets: [Bucket] = []
  }

  /// Digests of nodes side by side, ascending; those that are empty are not in it.
  struct Level: Equatable, Sendable {
    var level: UInt8
    var digests: [(index: Int64, digest: RangeDigest)]

    static func == (left: Self, right: Self) -> Bool {
      left.level == right.level && left.digests.elementsEqual(right.digests, by: ==)
    }
  }

  /// Those that have something, ascending.
  private var windows: [Window] = []
  /// The digest of all that the slot has.
  package private(set) var root = RangeDigest()
  var bug: PlantedReadBug?

  /// That of an empty slot.
  package init() {}

  /// The bucket of a series, a trace or a stream. The upper half of the hash tells the slot.
  package static func bucket(of id: Hash128) -> UInt8 { SlotMap.bucket(of: id) }

  /// Adds rows that were not there.
  ///
  /// O(log windows), O(windows) for the first of a window.
  package mutating func add(_ digest: RangeDigest, window: Int64, bucket: UInt8) {
    change(window, bucket) { $0.add(digest) }
  }

  /// Takes out rows that were there.
  package mutating func remove(_ digest: RangeDigest, window: Int64, bucket: UInt8) {
    change(window, bucket) { $0.remove(digest) }
  }

  private mutating func change(_ number: Int64, _ bucket: UInt8, _ body: (inout RangeDigest) -> Void) {
    let bucket = bucket & UInt8(Self.bucketCount - 1)
    if bug == .merkleWithoutLastBucket, bucket == UInt8(Self.bucketCount - 1) { return }
    let place = position(of: number)
    if place == windows.count || windows[place].number != number { windows.insert(Window(number: number), at: place) }
    body(&root)
    body(&windows[place].digest)
    let inner = windows[place].buckets.firstIndex { $0.number >= bucket } ?? windows[place].buckets.count
    if inner == windows[place].buckets.count || windows[place].buckets[inner].number != bucket {
      windows[place].buckets.insert(Bucket(number: bucket, digest: RangeDigest()), at: inner)
    }
    body(&windows[place].buckets[inner].digest)
    if windows[place].buckets[inner].digest.isEmpty { windows[place].buckets.remove(at: inner) }
    if windows[place].buckets.isEmpty { windows.remove(at: place) }
  }

  /// Forgets all windows before `first`: they expired.
  package mutating func removeWindows(before first: Int64) {
    let end = position(of: first)
    for window in windows[..<end] { root.remove(window.digest) }
    windows.removeFirst(end)
  }

  /// Forgets the windows, all of what they had.
  package mutating func removeWindows(_ range: ClosedRange<Int64>) {
    let places = places(in: range)
    for window in windows[places] { root.remove(window.digest) }
    windows.removeSubrange(places)
  }

  /// Where the first window that is not before `number` stands.
  private func position(of number: Int64) -> Int {
    if let last = windows.last, last.number < number { return windows.count }
    var (low, high) = (0, windows.count)
    while low < high {
      let middle = (low + high) / 2
      if windows[middle].number < number { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Those beneath a node that a comparison of the windows is of, ascending.
  private func compared(in range: ClosedRange<Int64>, beneath: ClosedRange<Int64>) -> [Window] {
    windows[places(in: beneath)].filter { range.compares($0.number) }
  }

  private func places(in range: ClosedRange<Int64>) -> Range<Int> {
    let start = position(of: range.lowerBound)
    let end = range.upperBound == .max ? windows.count : position(of: range.upperBound + 1)
    return start..<max(start, end)
  }

  /// The digest of all that lies within the windows.
  ///
  /// O(windows within).
  package func digest(_ range: ClosedRange<Int64>) -> RangeDigest {
    if let first = windows.first, let last = windows.last,
      range.lowerBound <= first.number, last.number <= range.upperBound
    {
      return root
    }
    var sum = RangeDigest()
    for window in windows[places(in: range)] { sum.add(window.digest) }
    return sum
  }

  /// The nodes of a level beneath `node`, of all where it is nil, that have something within the windows.
  func nodes(at level: UInt8, beneath node: TreeNode?, within range: ClosedRange<Int64>) -> Level {
    var found = Level(level: level, digests: [])
    for window in compared(in: range, beneath: node?.windows ?? .min ... .max) {
      let index = TreeNode(at: level, over: window.number).index
      if found.digests.last?.index != index { found.digests.append((index, RangeDigest())) }
      found.digests[found.digests.count - 1].digest.add(window.digest)
    }
    return found
  }

  /// The children of a node above the windows, or the topmost nodes; where there is one alone, its children, and so
  /// on down.
  func children(of node: TreeNode?, within range: ClosedRange<Int64>) -> Level {
    var level = node?.level ?? TreeNode.topLevel + 1
    var found = Level(level: 0, digests: [])
    repeat {
      level = level > 0 ? level - 1 : 0
      found = nodes(at: level, beneath: node, within: range)
    } while level > 0 && found.digests.count == 1
    return found
  }

  /// The digests of a window's buckets that have something, ascending.
  package func buckets(of window: Int64) -> [(bucket: UInt8, digest: RangeDigest)] {
    let place = position(of: window)
    guard place < windows.count, windows[place].number == window else { return [] }
    return windows[place].buckets.map { ($0.number, $0.digest) }
  }

  /// The same as an exchange begins with it, within some windows.
  package func summary(_ range: ClosedRange<Int64>) -> SlotTree {
    var tree = SlotTree()
    for window in compared(in: range, beneath: .min ... .max) {
      tree.add(window.digest, block: SlotTree.block(of: window.number))
    }
    return tree
  }

  /// What is beneath a block, within some windows, or beneath a window.
  package func children(of node: TreeNode, within range: ClosedRange<Int64>) -> [RepairMessage.Child] {
    if node.level == 0 {
      guard range.compares(node.index) else { return [] }
      return buckets(of: node.index).map { RepairMessage.Child(index: Int64($0.bucket), digest: $0.digest) }
    }
    return compared(in: range, beneath: node.windows).map {
      RepairMessage.Child(index: $0.number, digest: $0.digest)
    }
  }

  /// The windows that have something, ascending.
  package var windowNumbers: [Int64] { windows.map(\.number) }
}
