/// What can be told of the texts that an expression matches as a whole without running it: `a|b|c`, `api-(1|2)`,
/// `api-.*`.
///
/// It reads a small part of RE2's syntax and gives up at anything else. Literal text, `(...)` and `(?:...)`, `|`,
/// escaped punctuation, and at the end of a branch anything at all, of which only the literal text before it is kept.
package struct ExpressionLiterals: Equatable, Sendable {
  /// How many texts an expression may spell out, and how many bytes they may have together.
  static let textsMax = 4096
  static let bytesMax = 1 << 16

  /// A beginning, and whether the text ends with it.
  private struct Branch: Hashable {
    var text: [UInt8]
    var isWhole: Bool
  }

  /// All texts that match, where the expression spells them out, none twice; nil where there are others.
  package let wholeTexts: [String]?
  /// Beginnings of which every text that matches has one; none begins with another.
  package let beginnings: [[UInt8]]

  /// Nil where nothing is known: some text that matches may begin with anything.
  init?(_ pattern: String) {
    var parser = Parser(bytes: Array(pattern.utf8))
    guard !parser.hasFlags, let branches = parser.alternatives(), parser.isAtEnd else { return nil }
    if branches.allSatisfy(\.isWhole) {
      let texts = Set(branches.map { String(decoding: $0.text, as: UTF8.self) })
      wholeTexts = texts.sorted()
    } else {
      wholeTexts = nil
    }
    var kept: [[UInt8]] = []
    for text in branches.map(\.text).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      // Sorted: one that begins this one stands right before all that begin with it.
      if let last = kept.last, text.starts(with: last) { continue }
      kept.append(text)
    }
    if wholeTexts == nil, kept.contains([]) { return nil }
    beginnings = kept
  }

  private struct Parser {
    let bytes: [UInt8]
    var position = 0
    var depth = 0

    var isAtEnd: Bool { position == bytes.count }
    private var next: UInt8? { isAtEnd ? nil : bytes[position] }

    /// Whether there is a `(?` that is not `(?:`.
    ///
    /// Flags, like those that ignore case, count for branches that follow, and RE2 takes a repetition behind them for
    /// one of what stands before.
    var hasFlags: Bool {
      bytes.indices.dropFirst().contains { index in
        bytes[index] == UInt8(ascii: "?") && bytes[index - 1] == UInt8(ascii: "(")
          && (index + 1 == bytes.count || bytes[index + 1] != UInt8(ascii: ":"))
      }
    }

    /// Branches up to the end, or to the parenthesis that closes a group; nil where a part is not understood at all.
    mutating func alternatives() -> [Branch]? {
      var result: [Branch] = []
      while true {
        guard let branches = branch() else { return nil }
        result += branches
        guard result.count <= textsMax else { return nil }
        guard next == UInt8(ascii: "|") else { return result }
        position += 1
      }
    }

    private mutating func branch() -> [Branch]? {
      var result = [Branch(text: [], isWhole: true)]
      while let byte = next, byte != UInt8(ascii: "|"), byte != UInt8(ascii: ")") {
        guard let atom = atom() else {
          // Whatever comes: the texts so far are beginnings. It must still be known where the branch ends.
          guard depth == 0, skipBranch() else { return nil }
          return result.map { Branch(text: $0.text, isWhole: false) }
        }
        let bytes = Self.byteCount(result) * atom.count + Self.byteCount(atom) * result.count
        guard result.count * atom.count <= textsMax, bytes <= bytesMax else { return nil }
        result = result.flatMap { left in
          left.isWhole ? atom.map { Branch(text: left.text + $0.text, isWhole: $0.isWhole) } : [left]
        }
      }
      return result
    }

    private static func byteCount(_ branches: [Branch]) -> Int { branches.reduce(0) { $0 + $1.text.count } }

    /// Characters or a group that no repetition follows; nil, and nothing read, where there is something else.
    private mutating func atom() -> [Branch]? {
      var start = position
      var text: [UInt8] = []
      while let character = literal() {
        if isRepeated {
          position = start
          break
        }
        text += character
        start = position
      }
      if !text.isEmpty { return [Branch(text: text, isWhole: true)] }
      guard let found = group(), !isRepeated else {
        position = start
        return nil
      }
      return found
    }

    private var isRepeated: Bool {
      guard let next else { return false }
      return "*+?{".utf8.contains(next)
    }

    private mutating func literal() -> [UInt8]? {
      guard let byte = next else { return nil }
      if byte == UInt8(ascii: "\\") {
        guard position + 1 < bytes.count, Self.escapable.contains(bytes[position + 1]) else { return nil }
        position += 2
        return [bytes[position - 1]]
      }
      guard !Self.special.contains(byte), byte >= 0x20 else { return nil }
      let start = position
      position += 1
      // The rest of a character of several bytes.
      while let following = next, following & 0xc0 == 0x80 { position += 1 }
      return Array(bytes[start..<position])
    }

    private mutating func group() -> [Branch]? {
      guard next == UInt8(ascii: "("), depth < 8 else { return nil }
      position += 1
      if next == UInt8(ascii: "?") {
        guard position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: ":") else { return nil }
        position += 2
      }
      depth += 1
      defer { depth -= 1 }
      guard let branches = alternatives(), next == UInt8(ascii: ")") else { return nil }
      position += 1
      return branches
    }

    /// Reads on to the end of the branch; false where that is not plainly to be seen.
    private mutating func skipBranch() -> Bool {
      var open = 0
      while let byte = next {
        switch byte {
        case UInt8(ascii: "\\"):
          // \Q...\E quotes, and \x{...}, \p{...} hold nothing that is read wrongly here.
          guard position + 1 < bytes.count, bytes[position + 1] != UInt8(ascii: "Q") else { return false }
          position += 1
        case UInt8(ascii: "["): return skipRest()
        case UInt8(ascii: "("): open += 1
        case UInt8(ascii: ")"):
          if open == 0 { return true }
          open -= 1
        case UInt8(ascii: "|"): if open == 0 { return true }
        default: break
        }
        position += 1
      }
      return open == 0
    }

    /// A class may hold a bar or a parenthesis: it is only passed over where no bar follows that could end the branch.
    private mutating func skipRest() -> Bool {
      guard !bytes[position...].contains(UInt8(ascii: "|")) else { return false }
      position = bytes.count
      return true
    }

    private static let special = Set("\\.+*?()[]{}|^$".utf8)
    private static let escapable = Set("\\.+*?()[]{}|^$-/".utf8)
  }
}
