import NeedletailTelemetry

@testable import NeedletailCluster

/// A node that stores writes: what is given to its disk is there after a sync, and lost by a crash before.
struct SimulatedReplica {
  let number: Int
  /// Which life of the process it is.
  private(set) var life = 0
  private(set) var disk: Set<WriteID> = []
  private var unsynced: [(write: WriteID, reply: [UInt8], to: Int)] = []
  private var isSyncing = false

  init(number: Int) { self.number = number }

  mutating func crash(_ world: inout WriteWorld) {
    life += 1
    if !unsynced.isEmpty { world.note("unsynced writes lost") }
    unsynced = []
    isSyncing = false
  }

  mutating func receive(_ bytes: [UInt8], from sender: Int, _ world: inout WriteWorld) {
    guard case .append(let append) = try? WriteMessage(decoding: bytes) else {
      world.violations.append("a replica cannot read a message")
      return
    }
    let isWhole =
      append.frames.last == world.frame(append.write, number, definitions: false)
      && (append.frames.count == 1 || append.frames.first == world.frame(append.write, number, definitions: true))
    if !isWhole { world.violations.append("a replica gets what is not its own") }
    if let refusal = refusal(of: append, &world) {
      world.note("refused: \("\(refusal)".prefix { $0 != "(" })")
      world.send(
        WriteMessage.refuse(append.write, attempt: append.attempt, refusal).encoded, from: number, to: sender)
      return
    }
    let reply = WriteMessage.acknowledge(append.write, attempt: append.attempt).encoded
    unsynced.append((append.write, reply, sender))
    if !isSyncing { sync(&world) }
  }

  private func refusal(of append: WriteAppend, _ world: inout WriteWorld) -> WriteRefusal? {
    if world.isRefusing(append.write, number) { return .forGood(.outOfRetention) }
    if world.mix(append.write, number) % 8 == 1, append.frames.count < 2 { return .unknownSeries }
    if world.chance(world.faults.overloadPercent) { return .overloaded(retryAfterMilliseconds: 100) }
    return nil
  }

  private mutating func sync(_ world: inout WriteWorld) {
    isSyncing = true
    world.schedule(after: world.time(1...30), .synced(node: number, life: life))
  }

  mutating func synced(life: Int, _ world: inout WriteWorld) {
    guard life == self.life else { return }
    isSyncing = false
    for one in unsynced {
      disk.insert(one.write)
      world.send(one.reply, from: number, to: one.to)
    }
    unsynced = []
  }
}
