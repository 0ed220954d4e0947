// The columns of NeedletailBlocks beside raw doubles under zstd and a plain Gorilla, on the same data: bytes a value,
// and CPU time a value both ways; and its columns of histograms beside lists of them.

import NeedletailBlocks
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@main struct ColumnBench {
  private static let count = 1 << 17
  private static let formNames: [UInt8: String] = [1: "constant", 4: "decimal", 5: "bits"]
  private static let timeFormNames: [UInt8: String] = [1: "steps", 3: "packed"]

  let passes: Int

  static func main() throws {
    let arguments = CommandLine.arguments
    let bench = ColumnBench(passes: arguments.count > 1 ? Int(arguments[1]) ?? 15 : 15)
    let only = arguments.count > 2 ? arguments[2] : ""
    let runs = arguments.count > 3 ? arguments[3].split(separator: ",").compactMap { Int($0) } : [240, 2048]
    let shapes = Shape.all(count: count).filter { only.isEmpty || $0.name == only }
    if !shapes.isEmpty { for run in runs where run > 0 { try bench.table(shapes, run: run) } }
    guard shapes.isEmpty || only.isEmpty else { return }
    let histograms = HistogramBench(passes: bench.passes)
    for run in arguments.count > 3 ? runs : [480, 240, 8] where run > 0 {
      try histograms.table(run: run, only: only == "histograms" ? "" : only, text: bench.text)
    }
  }

  private func table(_ shapes: [Shape], run: Int) throws {
    print("\nRuns of \(run) values:\n")
    print(
      "| data | form | bytes a value | after zstd 1 | raw after zstd 1 | Gorilla bytes | encode ns | decode ns"
        + " | Gorilla encode ns | Gorilla decode ns |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in shapes {
      let (ours, gorilla, raw) =
        switch shape.data {
        case .values(let values): try measure(values, run: run)
        case .times(let times): try measure(times, run: run)
        }
      print(
        "| \(shape.name) | \(ours.form) | \(text(ours.bytes, 3)) | \(text(ours.zstdBytes, 3)) | \(text(raw, 2))"
          + " | \(text(gorilla.bytes, 2)) | \(text(ours.encode, 2)) | \(text(ours.decode, 2))"
          + " | \(text(gorilla.encode, 2)) | \(text(gorilla.decode, 2)) |")
    }
  }

  private func text(_ value: Double, _ places: Int) -> String {
    var buffer = [CChar](repeating: 0, count: 32)
    let length = withVaList([value]) { vsnprintf(&buffer, buffer.count, "%.\(places)f", $0) }
    return String(decoding: buffer.prefix(Int(length)).map(UInt8.init), as: UTF8.self)
  }

  private func measure(_ values: [Double], run: Int) throws -> (Measurement, Measurement, raw: Double) {
    try measure(
      values, run: run, names: Self.formNames,
      encode: { DoubleColumn.encode($0, to: &$1) },
      decode: { try DoubleColumn.decode(&$0, into: $1) },
      gorillaEncode: { Gorilla.encode($0, to: &$1) }, gorillaDecode: { Gorilla.decode($0, into: $1) })
  }

  private func measure(_ times: [Int64], run: Int) throws -> (Measurement, Measurement, raw: Double) {
    try measure(
      times, run: run, names: Self.timeFormNames,
      encode: { TimestampColumn.encode($0, to: &$1) },
      decode: { try TimestampColumn.decode(&$0, into: $1) },
      gorillaEncode: { Gorilla.encode($0, to: &$1) }, gorillaDecode: { Gorilla.decode($0, into: $1) })
  }

  /// Encodes the numbers in runs, one behind the other, and decodes each run by its place.
  @inline(__always) private func measure<Number>(
    _ numbers: [Number], run: Int, names: [UInt8: String],
    encode: (UnsafeBufferPointer<Number>, inout [UInt8]) -> Void,
    decode: (inout ByteReader, UnsafeMutableBufferPointer<Number>) throws -> Int,
    gorillaEncode: (UnsafeBufferPointer<Number>, inout BitWriter) -> Void,
    gorillaDecode: (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Number>) -> Void
  ) throws -> (Measurement, Measurement, raw: Double) {
    let starts = Array(stride(from: 0, to: numbers.count - run + 1, by: run))
    let count = starts.count * run
    let memory = UnsafeMutableBufferPointer<Number>.allocate(capacity: run)
    defer { memory.deallocate() }
    var ours = Measurement()
    var gorilla = Measurement()
    try numbers.withUnsafeBufferPointer { numbers in
      var bytes: [UInt8] = []
      var ends: [Int] = []
      ours.encode = Measurement.best(passes: passes, count: count) {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        for start in starts {
          encode(UnsafeBufferPointer(rebasing: numbers[start..<(start + run)]), &bytes)
          ends.append(bytes.count)
        }
      }
      ours.form = names[bytes[0]] ?? "\(bytes[0])"
      ours.bytes = Double(bytes.count) / Double(count)
      try bytes.withUnsafeBytes { bytes in
        ours.zstdBytes = Double(try Measurement.compressed(bytes)) / Double(count)
        ours.decode = try Measurement.best(passes: passes, count: count) {
          var start = 0
          for end in ends {
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            guard try decode(&reader, memory) == run else { throw MalformedBytes.truncated }
            start = end
          }
        }
      }
      try measure(
        numbers, starts, run: run, memory, gorillaEncode: gorillaEncode, gorillaDecode: gorillaDecode, into: &gorilla)
    }
    let raw = try numbers.withUnsafeBytes { try Measurement.compressed($0) }
    return (ours, gorilla, Double(raw) / Double(numbers.count))
  }

  @inline(__always) private func measure<Number>(
    _ numbers: UnsafeBufferPointer<Number>, _ starts: [Int], run: Int, _ memory: UnsafeMutableBufferPointer<Number>,
    gorillaEncode: (UnsafeBufferPointer<Number>, inout BitWriter) -> Void,
    gorillaDecode: (UnsafeRawBufferPointer, UnsafeMutableBufferPointer<Number>) -> Void,
    into gorilla: inout Measurement
  ) throws {
    let count = starts.count * run
    var writer = BitWriter()
    var encoded: [[UInt8]] = []
    for start in starts {
      writer.removeAll()
      gorillaEncode(UnsafeBufferPointer(rebasing: numbers[start..<(start + run)]), &writer)
      encoded.append(writer.bytes)
    }
    gorilla.bytes = Double(encoded.reduce(0) { $0 + $1.count }) / Double(count)
    gorilla.encode = Measurement.best(passes: passes, count: count) {
      for start in starts {
        writer.removeAll()
        gorillaEncode(UnsafeBufferPointer(rebasing: numbers[start..<(start + run)]), &writer)
      }
    }
    gorilla.decode = Measurement.best(passes: passes, count: count) {
      for bytes in encoded { bytes.withUnsafeBytes { gorillaDecode($0, memory) } }
    }
  }
}
