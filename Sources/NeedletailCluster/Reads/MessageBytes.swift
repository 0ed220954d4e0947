// What the messages about reads and repair have in common in their bytes.

import NeedletailTelemetry

extension ByteWriter {
  mutating func append(_ windows: ClosedRange<Int64>) {
    append(windows.lowerBound)
    append(windows.upperBound)
  }

  mutating func appendPrefixed(bytes: [UInt8]) {
    appendVarint(UInt64(bytes.count))
    append(bytes)
  }
}

extension ByteReader {
  mutating func readWindows() throws(MalformedBytes) -> ClosedRange<Int64> {
    let (first, last) = (try read(Int64.self), try read(Int64.self))
    guard first <= last else { throw .invalid("windows that end before they begin") }
    return first...last
  }

  /// A varint that is a place in a list.
  mutating func readNumber() throws(MalformedBytes) -> Int {
    guard let number = Int(exactly: try readVarint()) else { throw .invalid("a number is too large") }
    return number
  }

  mutating func readCount(max: Int, elementBytes: Int = 1) throws(MalformedBytes) -> Int {
    let count = try readCount(elementBytes: elementBytes)
    guard count <= max else { throw .invalid("more of something than there may be") }
    return count
  }

  mutating func readBytes(max: Int) throws(MalformedBytes) -> [UInt8] {
    Array(try read(count: try readCount(max: max)))
  }

  mutating func readText(max: Int) throws(MalformedBytes) -> String {
    String(decoding: try read(count: try readCount(max: max)), as: UTF8.self)
  }
}

extension [UInt8] {
  /// Reads the bytes; the reader does not outlive the call.
  package func withReader<Value>(
    _ body: (inout ByteReader) throws(MalformedBytes) -> Value
  ) throws(MalformedBytes) -> Value {
    let result: Result<Value, MalformedBytes> = withUnsafeBytes { raw in
      var reader = ByteReader(raw)
      do throws(MalformedBytes) { return .success(try body(&reader)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}
