@testable import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@Suite("The tree over a slot") struct MerkleTreeTests {
  private struct Leaf: Hashable, Comparable {
    var window: Int64
    var bucket: UInt8

    static func < (left: Leaf, right: Leaf) -> Bool {
      left.window != right.window ? left.window < right.window : left.bucket < right.bucket
    }
  }

  private func random(_ generator: inout SeededGenerator) -> RangeDigest {
    RangeDigest(high: generator.next(), low: generator.next(), count: UInt64(1 + generator.below(9)))
  }

  /// Leaves near each other, far from each other, and before 1970.
  private func leaf(_ generator: inout SeededGenerator) -> Leaf {
    let bases: [Int64] = [0, -40, 490_000, -2_562_047_788_015, 2_562_047_788_000]
    let window = bases[generator.below(bases.count)] + Int64(generator.below(generator.chance(0.5) ? 3 : 4000))
    return Leaf(window: min(window, 2_562_047_788_015), bucket: UInt8(generator.below(64)))
  }

  private func difference(_ one: MerkleTree, _ other: MerkleTree) -> Set<Leaf> {
    var found: Set<Leaf> = []
    var open: [TreeNode?] = [nil]
    while let node = open.popLast() {
      if let node, node.level == 0 {
        let (mine, theirs) = (one.buckets(of: node.index), other.buckets(of: node.index))
        for bucket in 0..<64 as Range<UInt8>
        where mine.first(where: { $0.bucket == bucket })?.digest != theirs.first(where: { $0.bucket == bucket })?.digest
        {
          found.insert(Leaf(window: node.index, bucket: bucket))
        }
        continue
      }
      let there = other.children(of: node, within: .min ... .max)
      let level = there.digests.isEmpty ? one.children(of: node, within: .min ... .max).level : there.level
      let mine = Dictionary(
        uniqueKeysWithValues:
          one.nodes(at: level, beneath: node, within: .min ... .max).digests.map { ($0.index, $0.digest) })
      let theirs = Dictionary(
        uniqueKeysWithValues:
          other.nodes(at: level, beneath: node, within: .min ... .max).digests.map { ($0.index, $0.digest) })
      for index in Set(mine.keys).union(theirs.keys) where mine[index] != theirs[index] {
        if let child = TreeNode(level: level, index: index) { open.append(child) }
      }
    }
    return found
  }

  @Test("Going down where two trees differ finds exactly the leaves that differ")
  func differences() {
    for seed in 1...300 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var (one, other): ([Leaf: RangeDigest], [Leaf: RangeDigest]) = ([:], [:])
      for _ in 0..<generator.below(60) {
        let (leaf, digest) = (leaf(&generator), random(&generator))
        if generator.chance(0.9) { one[leaf] = digest }
        if generator.chance(0.9) { other[leaf] = generator.chance(0.1) ? random(&generator) : digest }
      }
      func tree(_ leaves: [Leaf: RangeDigest]) -> MerkleTree {
        var tree = MerkleTree()
        for (leaf, digest) in leaves { tree.add(digest, window: leaf.window, bucket: leaf.bucket) }
        return tree
      }
      let wanted = Set(one.keys).union(other.keys).filter { one[$0] != other[$0] }
      let (mine, theirs) = (tree(one), tree(other))
      #expect(difference(mine, theirs) == wanted, "seed \(seed)")
      #expect((mine.root == theirs.root) == wanted.isEmpty, "seed \(seed)")
    }
  }

  @Test("Sums over any windows are those of a list, through additions, removals and expiry")
  func sums() {
    for seed in 1...200 as ClosedRange<UInt64> {
      var generator = SeededGenerator(seed: seed)
      var (tree, leaves): (MerkleTree, [Leaf: [RangeDigest]]) = (MerkleTree(), [:])
      var isRight = true
      for _ in 0..<120 {
        let leaf = leaf(&generator)
        if generator.chance(0.2), let old = leaves.keys.sorted().randomElement(using: &generator) {
          if let digest = leaves[old]?.popLast() { tree.remove(digest, window: old.window, bucket: old.bucket) }
          if leaves[old]?.isEmpty == true { leaves[old] = nil }
        } else {
          let digest = random(&generator)
          leaves[leaf, default: []].append(digest)
          tree.add(digest, window: leaf.window, bucket: leaf.bucket)
        }
        if generator.chance(0.02) {
          tree.removeWindows(before: leaf.window)
          leaves = leaves.filter { $0.key.window >= leaf.window }
        }
        func sum(_ isWanted: (Leaf) -> Bool) -> RangeDigest {
          leaves.filter { isWanted($0.key) }.values.joined().reduce(into: RangeDigest()) { $0.add($1) }
        }
        let range = leaf.window...max(leaf.window, self.leaf(&generator).window)
        isRight = isRight && tree.digest(range) == sum { range.contains($0.window) } && tree.root == sum { _ in true }
        for level in [0, 1, 3, TreeNode.topLevel] {
          let node = TreeNode(at: level, over: leaf.window)
          let found = tree.nodes(at: level, beneath: node, within: .min ... .max).digests
          let isSum =
            found.reduce(into: RangeDigest()) { $0.add($1.digest) } == sum { node.windows.contains($0.window) }
          isRight = isRight && isSum && tree.children(of: node, within: .min ... .max).digests.count <= 32
        }
      }
      #expect(isRight, "seed \(seed)")
      #expect(tree.windowNumbers == Set(leaves.keys.map(\.window)).sorted())
    }
  }

  @Test(
    "A digest is a sum: the order of rows makes no difference, and what is taken out is as if it had never been there")
  func digests() {
    var generator = SeededGenerator(seed: 21)
    let all = (0..<50).map { _ in random(&generator) }
    let sum = all.reduce(into: RangeDigest()) { $0.add($1) }
    #expect(all.shuffled(using: &generator).reduce(into: RangeDigest()) { $0.add($1) } == sum)
    #expect(all.shuffled(using: &generator).reduce(into: sum) { $0.remove($1) }.isEmpty)
  }
}
