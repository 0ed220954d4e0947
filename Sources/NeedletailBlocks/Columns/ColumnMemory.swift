import NeedletailTelemetry

/// Flat memory that the decoders of columns work in.
enum ColumnMemory {
  /// Runs `body` with memory for `count` integers, which the caller has bounded, and which hold anything.
  static func withIntegers(
    count: Int, _ body: (UnsafeMutableBufferPointer<Int64>) throws(MalformedBytes) -> Void
  ) throws(MalformedBytes) {
    var failure: MalformedBytes?
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: count) { memory in
      do throws(MalformedBytes) {
        try body(UnsafeMutableBufferPointer(rebasing: memory[..<count]))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }

  /// Appends `count` values, all of which `body` writes.
  static func append(count: Int, to output: inout [Double], _ body: (UnsafeMutableBufferPointer<Double>) -> Void) {
    guard output.isEmpty else {
      let start = output.count
      output.append(contentsOf: repeatElement(0, count: count))
      return output.withUnsafeMutableBufferPointer { body(UnsafeMutableBufferPointer(rebasing: $0[start...])) }
    }
    output = [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
      body(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
  }
}
