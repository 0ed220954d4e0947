import NeedletailCluster
import NeedletailTelemetry

/// A sample of the simulation.
struct SimulatedRow: Hashable, Comparable, Sendable {
  /// What it is a value of.
  struct Key: Hashable, Sendable {
    var series: Hash128
    var window: Int64
    var time: UInt32
  }

  static let byteCount = 38

  var slot: UInt16
  var series: Hash128
  var window: Int64
  /// Within the window.
  var time: UInt32
  var value: UInt64

  /// When it was, by a clock that is right.
  var instant: Int64 { window * SimulatedRetention.hour + Int64(time) * (SimulatedRetention.hour / 40) }

  var key: Key { Key(series: series, window: window, time: time) }

  var digest: RangeDigest {
    let hash = bytes.withUnsafeBytes { Hash128.of($0) }
    return RangeDigest(high: hash.high, low: hash.low, count: 1)
  }

  var bucket: UInt8 { MerkleTree.bucket(of: series) }

  private var bytes: [UInt8] {
    var writer = ByteWriter(reserving: Self.byteCount)
    write(to: &writer)
    return writer.bytes
  }

  private func write(to writer: inout ByteWriter) {
    writer.append(slot)
    writer.append(series)
    writer.append(window)
    writer.append(time)
    writer.append(value)
  }

  static func < (left: Self, right: Self) -> Bool {
    if left.slot != right.slot { return left.slot < right.slot }
    if left.window != right.window { return left.window < right.window }
    if left.time != right.time { return left.time < right.time }
    return left.value != right.value ? left.value < right.value : left.series < right.series
  }

  static func encode(_ rows: [SimulatedRow]) -> [UInt8] {
    var writer = ByteWriter(reserving: rows.count * byteCount)
    for row in rows { row.write(to: &writer) }
    return writer.bytes
  }

  static func decode(_ bytes: some Collection<UInt8>) -> [SimulatedRow] {
    Array(bytes).withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      var rows: [SimulatedRow] = []
      while let slot = try? reader.read(UInt16.self), let series = try? reader.readHash(),
        let window = try? reader.read(Int64.self), let time = try? reader.read(UInt32.self),
        let value = try? reader.read(UInt64.self)
      {
        rows.append(SimulatedRow(slot: slot, series: series, window: window, time: time, value: value))
      }
      return rows
    }
  }
}
