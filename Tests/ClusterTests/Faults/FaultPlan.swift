import NeedletailEnvironment

/// Faults of links, one after the other, that all follow from a seed.
struct FaultPlan: Sendable, CustomStringConvertible {
  struct Step: Sendable {
    var links: [Link]
    var fault: LinkFault
    /// How long it lasts.
    var milliseconds: Int
  }

  let seed: UInt64
  let steps: [Step]

  /// Each step is one of every kind of fault in turn, so that few of them have had them all: one node cut off from a few
  /// others, both ways or one way, or the links of a pair delayed or slow.
  init(nodes: [String], steps count: Int, milliseconds: ClosedRange<Int>, seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var steps: [Step] = []
    for index in 0..<count {
      let mixed = nodes.shuffled(using: &random)
      let others = mixed.dropFirst().prefix(Int.random(in: 1...max(1, nodes.count - 1), using: &random))
      var links = others.map { Link(from: mixed[0], to: $0) }
      // Every second fault is of one way alone, now of what the node sends, now of what it is sent.
      switch index % 4 {
      case 0, 2: links += links.map(\.reversed)
      case 1: break
      default: links = links.map(\.reversed)
      }
      let faults: [LinkFault] = [
        .refused, .swallowed, .held, .delayed(milliseconds: Int64.random(in: 20...800, using: &random)),
        .slow(bytesPerSecond: Int.random(in: 2_000...60_000, using: &random)),
      ]
      let length = Int.random(in: milliseconds, using: &random)
      steps.append(Step(links: links, fault: faults[index % faults.count], milliseconds: length))
    }
    (self.seed, self.steps) = (seed, steps)
  }

  var description: String {
    let lines = steps.map { step in
      "\(step.fault) for \(step.milliseconds) ms: " + step.links.map { "\($0.from)>\($0.to)" }.joined(separator: " ")
    }
    return (["fault plan of seed \(seed)"] + lines).joined(separator: "\n  ")
  }
}
