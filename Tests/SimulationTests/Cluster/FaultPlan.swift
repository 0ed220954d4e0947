import NeedletailEnvironment

/// Which faults a seed has, and how bad they are: a random part of all, so that some come together that others would hide.
struct FaultPlan {
  var lossPercent = 0
  var duplicatePercent = 0
  /// The longest way of a message, in ms; each has its own, so that they overtake each other.
  var delayMax: Int64
  /// How long a sync takes, in ms.
  var syncMax: Int64
  var crashes = false
  /// Some of those that end are asked to, and tell the others.
  var stops = false
  var pauses = false
  var cuts = false
  var lostDisks = false
  var damage = false
  var fullDisks = false
  var slowNodes = false
  var slowDisks = false
  var clocks = false
  /// Nodes are added, drained and removed.
  var changes = false
  /// N and W change too, and nodes get other weights and zones.
  var resizes = false
  var places = false
  /// The mean time from one fault to the next, in ms.
  var interval: Int64

  static let none = FaultPlan(delayMax: 5, syncMax: 5, interval: 1_000)

  private init(delayMax: Int64, syncMax: Int64, interval: Int64) {
    self.delayMax = delayMax
    self.syncMax = syncMax
    self.interval = interval
  }

  init(_ generator: inout SeededGenerator) {
    delayMax = Int64([3, 20, 150].randomElement(using: &generator) ?? 3)
    syncMax = Int64([4, 30, 300].randomElement(using: &generator) ?? 4)
    interval = Int64.random(in: 200...1_500, using: &generator)
    if Bool.random(using: &generator) { lossPercent = Int.random(in: 1...20, using: &generator) }
    if Bool.random(using: &generator) { duplicatePercent = Int.random(in: 1...30, using: &generator) }
    crashes = Int.random(in: 0..<4, using: &generator) > 0
    pauses = Bool.random(using: &generator)
    cuts = Bool.random(using: &generator)
    lostDisks = Bool.random(using: &generator)
    damage = Bool.random(using: &generator)
    fullDisks = Bool.random(using: &generator)
    slowNodes = Int.random(in: 0..<3, using: &generator) == 0
    slowDisks = Int.random(in: 0..<3, using: &generator) == 0
    clocks = Int.random(in: 0..<3, using: &generator) == 0
    changes = Int.random(in: 0..<3, using: &generator) > 0
    resizes = Int.random(in: 0..<3, using: &generator) > 0
    places = Bool.random(using: &generator)
    stops = Bool.random(using: &generator)
  }
}
