import NeedletailEnvironment

/// Names of snapshots: `20261128T101530Z-0123456789abcdef`, as Prometheus' are, so that they sort by time.
enum SnapshotName {
  /// A name that no other snapshot has.
  static func make(clock: any WallClock, random: any RandomSource) -> String {
    let seconds = Timestamp.floorDivide(clock.wallNanoseconds(), by: 1_000_000_000)
    let time = Timestamp.rfc3339(milliseconds: seconds * 1000).prefix { $0 != "." && $0 != "Z" }
    let number = String(random.next(), radix: 16)
    return time.filter { $0 != "-" && $0 != ":" } + "Z-" + String(repeating: "0", count: 16 - number.utf8.count)
      + number
  }
}
