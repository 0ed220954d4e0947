import NeedletailCluster
import NeedletailTelemetry

/// A sample of the simulation: what it says follows from nothing, and none is twice.
struct SimulatedRow: Hashable, Comparable, Sendable {
  static let byteCount = 34

  var slot: UInt16
  var series: Hash128
  var window: Int64
  var value: UInt64

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
    writer.append(value)
  }

  static func < (left: Self, right: Self) -> Bool {
    (left.slot, left.window, left.value) < (right.slot, right.window, right.value)
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
        let window = try? reader.read(Int64.self), let value = try? reader.read(UInt64.self)
      {
        rows.append(SimulatedRow(slot: slot, series: series, window: window, value: value))
      }
      return rows
    }
  }
}
