import NeedletailEnvironment

@testable import NeedletailCluster

/// What kind of cluster a seed has.
struct ClusterSettings {
  /// N and W when it is founded.
  var replicas = 3
  var level = WriteLevel.quorum
  /// What the nodes say of themselves, by number.
  var zones: [String?] = []
  var weights: [UInt32] = []
  /// How many found it, and how many more there are, that may be added.
  var founders = 3
  var spares = 0
  /// How long rows are kept.
  var retention: SimulatedRetention
  /// Small, so that they are met.
  var hintsMax = 65_536
  var hintAgeMax: Int64 = 3 * 3_600_000_000_000
  var writesMax = 16_384
  /// Whether more is lost at a time than writes allow for: what was acknowledged may be gone then, and all the rest holds.
  var isBeyondTheModel = false
  /// Whether it is seen, when all is well again, what goes on while some are away.
  var endsWithSomeAway = false

  init(_ generator: inout SeededGenerator) {
    retention = SimulatedRetention(&generator)
    switch Int.random(in: 0..<20, using: &generator) {
    case 0: (replicas, level) = (3, .one)
    case 1: (replicas, level) = (3, .all)
    case 2: replicas = 2
    case 3: replicas = 4
    case 4, 5: replicas = 5
    default: break
    }
    founders = max(replicas, Int.random(in: 3...5, using: &generator))
    if Int.random(in: 0..<12, using: &generator) == 0, level == .quorum { founders = max(2, replicas - 1) }
    spares = Int.random(in: 0...2, using: &generator)
    if Int.random(in: 0..<5, using: &generator) == 0 { hintsMax = Int.random(in: 1...6, using: &generator) }
    if Int.random(in: 0..<5, using: &generator) == 0 {
      hintAgeMax = Int64.random(in: 1...6, using: &generator) * 1_000_000_000
    }
    if Int.random(in: 0..<8, using: &generator) == 0 { writesMax = Int.random(in: 2...6, using: &generator) }
    isBeyondTheModel = Int.random(in: 0..<15, using: &generator) == 0
    if isBeyondTheModel { founders = max(founders, 5) }
    endsWithSomeAway = Int.random(in: 0..<3, using: &generator) == 0
    place(&generator)
  }

  /// Nodes lie in zones, and are of unequal sizes, in some clusters.
  private mutating func place(_ generator: inout SeededGenerator) {
    let zoneCount = Int.random(in: 0..<3, using: &generator) == 0 ? Int.random(in: 2...3, using: &generator) : 0
    let weightMax: UInt32 = Int.random(in: 0..<3, using: &generator) == 0 ? 3 : 1
    for number in 0..<(founders + spares) {
      zones.append(zoneCount == 0 ? nil : "z\(number % zoneCount)")
      weights.append(UInt32.random(in: 1...weightMax, using: &generator))
    }
  }

  /// The N and W that the cluster is founded with.
  var replication: Replication {
    Replication(count: replicas, writeQuorum: level.acknowledgements(of: replicas))
  }
}
