import NeedletailBlocks
import NeedletailTelemetry

/// Columns of histograms beside the list of them that parts had before: bytes a histogram, and CPU time both ways.
struct HistogramBench {
  private static let count = 1 << 13

  let passes: Int

  /// Series of runs as long as `run`, one behind the other.
  private struct Data {
    var times: [Int64] = []
    var bytes: [UInt8] = []
    var ends: [Int] = []
    var runs = 0
    /// The mean of a histogram.
    var buckets = 0.0
    let run: Int

    init(_ shape: HistogramShape, run: Int, count: Int) throws {
      self.run = run
      var all = 0
      for series in 0..<max(1, count / run) {
        for (index, histogram) in shape.series(series, count: run).enumerated() {
          times.append(1_700_000_000_000 + Int64(index) * 15_000)
          bytes += histogram
          all += try histogram.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            return try NativeHistogram(decoding: &reader).positiveBuckets.count
          }
          ends.append(bytes.count)
        }
        runs += 1
      }
      buckets = Double(all) / Double(times.count)
    }

    /// Lends each run.
    func forEachRun(_ body: (HistogramRows) throws -> Void) rethrows {
      try times.withUnsafeBufferPointer { times in
        try bytes.withUnsafeBytes { bytes in
          for number in 0..<runs {
            let range = (number * run)..<((number + 1) * run)
            let first = range.lowerBound == 0 ? 0 : ends[range.lowerBound - 1]
            let own = ends[range].map { $0 - first }
            try own.withUnsafeBufferPointer { ends in
              try body(
                HistogramRows(
                  times: UnsafeBufferPointer(rebasing: times[range]),
                  bytes: UnsafeRawBufferPointer(rebasing: bytes[first..<(first + (own.last ?? 0))]), ends: ends))
            }
          }
        }
      }
    }
  }

  func table(run: Int, only: String, text: (Double, Int) -> String) throws {
    print("\nRuns of \(run) histograms:\n")
    print(
      "| histograms | form | buckets | list, bytes | list after zstd 1 | column, bytes | column after zstd 1"
        + " | encode ns | decode ns | list decode ns | one of a run, us |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for shape in HistogramShape.all where only.isEmpty || shape.name == only {
      let data = try Data(shape, run: run, count: Self.count)
      var list: [[UInt8]] = []
      data.forEachRun { rows in
        var bytes: [UInt8] = []
        HistogramList.encode(rows, to: &bytes)
        list.append(bytes)
      }
      let (columns, one) = try measure(data)
      let (lists, listDecode) = try measure(list, Double(data.times.count))
      print(
        "| \(shape.name) | \(columns.form) | \(text(data.buckets, 0)) | \(text(lists.bytes, 1)) | \(text(lists.zstdBytes, 1))"
          + " | \(text(columns.bytes, 1)) | \(text(columns.zstdBytes, 1)) | \(text(columns.encode, 0))"
          + " | \(text(columns.decode, 0)) | \(text(listDecode, 0)) | \(text(one / 1000, 1)) |")
    }
  }

  /// With it ns for one histogram out of the middle of a run.
  private func measure(_ data: Data) throws -> (Measurement, one: Double) {
    var result = Measurement()
    var columns: [[UInt8]] = []
    let count = data.times.count
    var output: [UInt8] = []
    result.encode = Measurement.best(passes: passes, count: count) {
      columns.removeAll(keepingCapacity: true)
      data.forEachRun { rows in
        output.removeAll(keepingCapacity: true)
        HistogramColumn.encode(rows, to: &output)
        columns.append(output)
      }
    }
    result.form = ["list", "integers", "floats"][Int(columns[0][0])]
    let all = columns.flatMap { $0 }
    result.bytes = Double(all.count) / Double(count)
    result.zstdBytes = try all.withUnsafeBytes { Double(try Measurement.compressed($0)) } / Double(count)
    var found: [(Int64, NativeHistogram)] = []
    result.decode = try Measurement.best(passes: passes, count: count) {
      for column in columns {
        found.removeAll(keepingCapacity: true)
        try column.withUnsafeBytes { bytes in
          try HistogramColumn.decode(bytes, from: .min, to: .max) { found.append(($0, $1)) }
        }
      }
    }
    let middle = data.times[data.run / 2]
    let one = try Measurement.best(passes: passes, count: columns.count) {
      for column in columns {
        found.removeAll(keepingCapacity: true)
        try column.withUnsafeBytes { bytes in
          try HistogramColumn.decode(bytes, from: middle, to: middle) { found.append(($0, $1)) }
        }
      }
    }
    return (result, one)
  }

  /// What a query did with a list: check each histogram, keep its bytes, decode these again.
  private func measure(_ lists: [[UInt8]], _ count: Double) throws -> (Measurement, decode: Double) {
    var result = Measurement()
    let all = lists.flatMap { $0 }
    result.bytes = Double(all.count) / count
    result.zstdBytes = try all.withUnsafeBytes { Double(try Measurement.compressed($0)) } / count
    var found: [(Int64, [UInt8])] = []
    var decoded: [(Int64, NativeHistogram)] = []
    let decode = try Measurement.best(passes: passes, count: Int(count)) {
      for list in lists {
        found.removeAll(keepingCapacity: true)
        decoded.removeAll(keepingCapacity: true)
        try list.withUnsafeBytes { bytes in
          var reader = ByteReader(bytes)
          try HistogramList.forEach(&reader) { (time, bytes) throws(MalformedBytes) in
            var reader = ByteReader(bytes)
            _ = try NativeHistogram(decoding: &reader)
            found.append((time, Array(bytes)))
          }
        }
        for (time, bytes) in found {
          try bytes.withUnsafeBytes { bytes in
            var reader = ByteReader(bytes)
            decoded.append((time, try NativeHistogram(decoding: &reader)))
          }
        }
      }
    }
    return (result, decode)
  }
}
