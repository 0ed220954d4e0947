import NeedletailTelemetry

/// The numbers that a node draws for the slots: 0 up to their count, each once, in an order that follows from its name.
///
/// The bits are part of what nodes agree on: never change how they are made.
struct SlotDraw {
  let numbers: [UInt16]
  let weight: Double
  private let seed: UInt64

  init(of member: RingMember, slots: Int) {
    var name = member.node.rawValue
    seed = name.withUTF8 { Hash128.of(UnsafeRawBufferPointer($0)).high }
    weight = Double(max(1, member.weight))
    var numbers = (0..<slots).map { UInt16(truncatingIfNeeded: $0) }
    // Fisher and Yates' shuffle from a counter that is mixed.
    for last in stride(from: slots - 1, to: 0, by: -1) {
      let other = Self.mix(seed &+ UInt64(last)).multipliedFullWidth(by: UInt64(last + 1)).high
      numbers.swapAt(last, Int(other))
    }
    self.numbers = numbers
  }

  /// What decides between nodes with one number for one slot.
  func tie(_ slot: Int) -> UInt64 { Self.mix(seed ^ UInt64(slot) << 32) }

  /// The finaliser of splitmix64.
  private static func mix(_ value: UInt64) -> UInt64 {
    var mixed = value &* 0x9E37_79B9_7F4A_7C15
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
