import CRE2

/// A regular expression that does not compile, or is larger than the limit.
package struct RegularExpressionError: Error, Sendable, CustomStringConvertible {
  package let pattern: String
  package let reason: String

  package var description: String { "invalid regular expression \"\(pattern)\": \(reason)" }
}

/// A compiled RE2 expression: the syntax of Prometheus and Loki, and linear time whatever the pattern.
package final class RegularExpression: Sendable {
  /// Patterns are cut off here, in bytes, before RE2 sees them.
  package static let patternLengthMax = 16_384
  /// What RE2 may use for a pattern's program and automata, in bytes.
  private static let memoryMax: Int64 = 8 << 20

  package let pattern: String
  /// What is known of the texts that match as a whole without running the expression.
  package let literals: ExpressionLiterals?
  // Sound across threads: RE2 documents that const methods of a compiled expression may be called concurrently, and
  // nothing but `deinit` changes it.
  nonisolated(unsafe) private let handle: OpaquePointer

  package init(_ pattern: String) throws(RegularExpressionError) {
    guard pattern.utf8.count <= Self.patternLengthMax else {
      throw RegularExpressionError(
        pattern: String(pattern.prefix(64)) + "...", reason: "longer than \(Self.patternLengthMax) bytes")
    }
    var message = [CChar](repeating: 0, count: 256)
    let compiled = message.withUnsafeMutableBufferPointer { message in
      cre2_compile(pattern, pattern.utf8.count, Self.memoryMax, message.baseAddress, message.count)
    }
    guard let compiled else {
      let reason = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw RegularExpressionError(pattern: pattern, reason: reason)
    }
    self.pattern = pattern
    literals = ExpressionLiterals(pattern)
    handle = compiled
  }

  deinit { cre2_free(handle) }

  /// Whether the whole of `text` matches.
  package func matchesWhole(_ text: UnsafeRawBufferPointer) -> Bool {
    cre2_full_match(handle, text.assumingMemoryBound(to: CChar.self).baseAddress, text.count)
  }

  package func matchesWhole(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { matchesWhole(UnsafeRawBufferPointer($0)) }
  }

  /// Whether any part of `text` matches.
  package func matchesPart(of text: UnsafeRawBufferPointer) -> Bool {
    cre2_partial_match(handle, text.assumingMemoryBound(to: CChar.self).baseAddress, text.count)
  }

  /// The number of capturing groups, without the whole match.
  package var groupCount: Int { Int(cre2_group_count(handle)) }

  /// The name of a capturing group, counted from 1, where it has one.
  package func groupName(_ index: Int) -> String? {
    Int32(exactly: index).flatMap { cre2_group_name(handle, $0) }.map { String(cString: $0) }
  }

  /// Byte ranges of the whole match and of every group, if the whole of `text` matches; nil for a group that took no part.
  package func capturesOfWhole(_ text: UnsafeRawBufferPointer) -> [Range<Int>?]? {
    captures(text, anchored: true)
  }

  /// The same for the first match anywhere in `text` from an offset on, what lies before being looked at all the same.
  package func capturesOfFirstMatch(in text: UnsafeRawBufferPointer, from start: Int = 0) -> [Range<Int>?]? {
    captures(text, from: start, anchored: false)
  }

  private func captures(_ text: UnsafeRawBufferPointer, from start: Int = 0, anchored: Bool) -> [Range<Int>?]? {
    let count = groupCount + 1
    var bounds = [Int](repeating: -1, count: count * 2)
    let matched = cre2_captures(
      handle, text.assumingMemoryBound(to: CChar.self).baseAddress, text.count, start, anchored, &bounds, Int32(count))
    guard matched else { return nil }
    return (0..<count).map { index in
      let (start, end) = (bounds[2 * index], bounds[2 * index + 1])
      return start >= 0 && end >= start ? start..<end : nil
    }
  }
}
