import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A condition on the text of a log's body: that it contains, or does not contain, any of some texts or expressions.
package struct BodyFilter: Sendable {
  package enum Operation: Sendable {
    case contains
    case containsNot
    case matches
    case matchesNot
  }

  package let operation: Operation
  /// Any of these for the positive operations, none of these for the negative ones.
  package let texts: [String]
  private let needles: [[UInt8]]
  private let expressions: [RegularExpression]

  /// Compiles the expressions of `.matches` and `.matchesNot`, which are sought anywhere in the text.
  package init(_ operation: Operation, _ texts: [String]) throws(RegularExpressionError) {
    self.operation = operation
    self.texts = texts
    needles = texts.map { Array($0.utf8) }
    var expressions: [RegularExpression] = []
    if operation == .matches || operation == .matchesNot {
      for text in texts { expressions.append(try RegularExpression(text)) }
    }
    self.expressions = expressions
  }

  func passes(_ text: UnsafeRawBufferPointer) -> Bool {
    switch operation {
    case .contains: needles.contains { Self.contains(text, $0) }
    case .containsNot: !needles.contains { Self.contains(text, $0) }
    case .matches: expressions.contains { $0.matchesPart(of: text) }
    case .matchesNot: !expressions.contains { $0.matchesPart(of: text) }
    }
  }

  /// Leaps from one occurrence of the first byte to the next with the C library's search, which looks at many bytes at
  /// a time.
  private static func contains(_ text: UnsafeRawBufferPointer, _ needle: [UInt8]) -> Bool {
    guard let first = needle.first else { return true }
    guard let start = text.baseAddress, text.count >= needle.count else { return false }
    var offset = 0
    let last = text.count - needle.count
    while offset <= last, let found = memchr(start + offset, Int32(first), last - offset + 1) {
      if memcmp(found, needle, needle.count) == 0 { return true }
      offset = start.distance(to: UnsafeRawPointer(found)) + 1
    }
    return false
  }
}
