import NeedletailTelemetry

@testable import NeedletailCluster

// What a node's engines do about rows that expire, by its own clock: the state machines only hear which window is the first.

extension ClusterShell {
  /// From one look at what has expired to the next, in ns.
  private static let pause: Int64 = 700_000_000

  /// The first window of which anything is told.
  func firstWindow(_ world: ClusterWorld) -> Int64 {
    let (retention, wall) = (world.settings.retention, clock.wall(at: world.now))
    return plants.shell == .tellsOfThePartialHour ? retention.partial(at: wall) : retention.first(at: wall)
  }

  /// The part of these windows of which anything is told; nil where that is nothing.
  func told(_ windows: ClosedRange<Int64>, _ world: ClusterWorld) -> ClosedRange<Int64>? {
    let first = firstWindow(world)
    return first <= windows.upperBound ? max(first, windows.lowerBound)...windows.upperBound : nil
  }

  /// The windows that a read of everything is of.
  func readWindows(_ world: inout ClusterWorld) -> ClosedRange<Int64> {
    let (retention, wall) = (world.settings.retention, clock.wall(at: world.now))
    var first = retention.comparedFrom(at: wall)
    if first > retention.first(at: wall) { world.reach(.readBeganAfterItsOwnEdge) }
    switch plants.shell {
    case .readsFromItsOwnEdge: first = retention.first(at: wall)
    case .readsFromTooLate: first = min(first, Self.allWindows.upperBound - 2) + 2
    default: break
    }
    return max(Self.allWindows.lowerBound, first)...Self.allWindows.upperBound
  }

  /// Those of the rows that a node takes in now.
  func unexpired(_ rows: [SimulatedRow], _ world: inout ClusterWorld) -> [SimulatedRow] {
    let earliest = world.settings.retention.earliest(at: clock.wall(at: world.now))
    return earliest == .min ? rows : rows.filter { $0.instant >= earliest }
  }

  /// Lets go of what has expired: of an hour that begins to leave more or less, as parts were merged.
  mutating func expire(_ world: inout ClusterWorld) {
    let (retention, wall) = (world.settings.retention, clock.wall(at: world.now))
    guard retention.length != nil, world.now >= expireAt else { return }
    expireAt = world.now + Self.pause
    if plants.shell != .waitsForWhatExpired { perform(readiness.expired(before: firstWindow(world)), &world) }
    let earliest = retention.earliest(at: wall)
    let tooFar = plants.shell == .dropsAnHourTooMuch ? retention.first(at: wall) : .min
    var dropped: [SimulatedRow] = []
    for slot in rows.indices where world.chance(60) {
      dropped += rows[slot].filter { $0.instant < earliest || $0.window <= tooFar }
    }
    guard !dropped.isEmpty else { return }
    world.count("rows expired", dropped.count)
    world.reach(.rowsExpired)
    for row in dropped.sorted() {
      rows[Int(row.slot)].remove(row)
      trees[Int(row.slot)].remove(row.digest, window: row.window, bucket: row.bucket)
    }
    write([.drop(dropped.sorted())], then: nil, &world)
  }
}
