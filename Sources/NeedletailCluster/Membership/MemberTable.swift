import NeedletailTelemetry

/// All members that are known, in what order they are probed, and the sums by which two views are compared.
struct MemberTable: Sendable {
  private let own: NodeID
  private(set) var members: [NodeID: Member] = [:]
  /// For each bucket the sum of the fingerprints of its members.
  private(set) var sums = [UInt64](repeating: 0, count: MembershipMessage.bucketCount)
  private var buckets = [[NodeID]](repeating: [], count: MembershipMessage.bucketCount)
  /// Everybody but the node itself, shuffled.
  private var order: [NodeID] = []
  private var cursor = 0
  /// How many others are alive or suspect, and how many are dead.
  private(set) var presentCount = 0
  private(set) var deadCount = 0

  init(own: NodeID) { self.own = own }

  subscript(node: NodeID) -> Member? { members[node] }

  static func bucket(of node: NodeID) -> Int {
    var name = node.rawValue
    let hash = name.withUTF8 { xxHash64(UnsafeRawBufferPointer($0)) }
    return Int(hash % UInt64(MembershipMessage.bucketCount))
  }

  /// Takes in what is known of a member now, and gives back what was.
  mutating func put(_ member: Member, _ random: inout some RandomNumberGenerator) -> Member? {
    let bucket = Self.bucket(of: member.node)
    let old = members.updateValue(member, forKey: member.node)
    if let old { sums[bucket] &-= old.fingerprint } else { buckets[bucket].append(member.node) }
    sums[bucket] &+= member.fingerprint
    guard member.node != own else { return old }
    count(old, by: -1)
    count(member, by: 1)
    if old == nil {
      // At a random place of what is still to be probed, so that newcomers are not all probed at once.
      let first = min(cursor, order.count)
      order.insert(member.node, at: first + Self.draw(below: order.count - first + 1, &random))
    }
    return old
  }

  /// A number from 0 up to `bound`, which is at least 1.
  private static func draw(below bound: Int, _ random: inout some RandomNumberGenerator) -> Int {
    Int(random.next(upperBound: UInt(bound)))
  }

  private mutating func count(_ member: Member?, by number: Int) {
    guard let member else { return }
    if member.status.isPresent { presentCount += number }
    if member.status == .dead { deadCount += number }
  }

  /// The next one to be probed: everybody once before anybody again, in an order that changes each time.
  mutating func nextProbed(_ random: inout some RandomNumberGenerator) -> Member? {
    guard presentCount > 0 else { return nil }
    for _ in 0...(2 * order.count) {
      if cursor >= order.count {
        order.shuffle(using: &random)
        cursor = 0
      }
      defer { cursor += 1 }
      if let member = members[order[cursor]], member.status.isPresent { return member }
    }
    return nil
  }

  /// Up to `count` others that are alive, without `excluded`.
  func some(
    _ count: Int, except excluded: NodeID? = nil, _ random: inout some RandomNumberGenerator
  ) -> [Member] {
    guard presentCount > 0, count > 0 else { return [] }
    var found: [Member] = []
    let start = Self.draw(below: order.count, &random)
    // Where most are there a few draws find them; else the list is walked.
    for _ in 0..<(4 * count) where found.count < count {
      let node = order[Self.draw(below: order.count, &random)]
      if node != excluded, let member = members[node], member.status == .alive, !found.contains(member) {
        found.append(member)
      }
    }
    for offset in 0..<order.count where found.count < count {
      let node = order[(start + offset) % order.count]
      if node != excluded, let member = members[node], member.status == .alive, !found.contains(member) {
        found.append(member)
      }
    }
    return found
  }

  /// One that counts as dead, and may not be.
  func someDead(_ random: inout some RandomNumberGenerator) -> Member? {
    guard deadCount > 0 else { return nil }
    let wanted = Self.draw(below: deadCount, &random)
    return order.lazy.compactMap { members[$0] }.filter { $0.status == .dead }.dropFirst(wanted).first
  }

  /// Those whose name falls into one of the buckets, sorted.
  func members(in wanted: UInt64) -> [Member] {
    buckets.indices.filter { wanted >> UInt64($0) & 1 == 1 }.flatMap { buckets[$0].sorted().compactMap { members[$0] } }
  }

  /// The buckets whose sum is another one.
  func differing(from other: [UInt64]) -> UInt64 {
    zip(sums, other).enumerated().reduce(0) { $1.element.0 == $1.element.1 ? $0 : $0 | 1 << UInt64($1.offset) }
  }

  /// Everybody, sorted.
  var sorted: [Member] { members.values.sorted { $0.node < $1.node } }
}
