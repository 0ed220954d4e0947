// Text from telemetry reaches an operator's screen, and anyone who can send a label controls its bytes. This type is
// the one door: its initialiser neutralises whatever could steer a terminal, hide text or reorder it, and cells accept
// nothing else. What cannot be shown is made visible (a picture or `\u{..}`), never silently dropped, so that two
// different names never look equal because of an invisible character.

/// What one position of a screen shows: a grapheme cluster that passed the sanitiser.
///
/// It cannot be made from outside of this file except through ``TerminalText``, or from the closed set of braille
/// patterns.
package struct Glyph: Equatable, Hashable, Sendable {
  /// The cluster, free of control, format and other invisible characters.
  package let string: String
  /// Columns that it takes: 1 or 2; 0 only for ``continuation``.
  package let width: Int

  fileprivate init(trusted string: String, width: Int) {
    self.string = string
    self.width = width
  }

  /// An empty position.
  package static let space = Glyph(trusted: " ", width: 1)
  /// The right half of a glyph that is two columns wide.
  package static let continuation = Glyph(trusted: "", width: 0)

  /// A braille pattern, U+2800 plus eight dots as bits (bit 0 is dot 1).
  package static func braille(_ dots: UInt8) -> Glyph {
    Glyph(trusted: String(Character(Unicode.Scalar(UInt32(0x2800) | UInt32(dots)) ?? " ")), width: 1)
  }
}

/// One line of text that is safe to send to a terminal.
///
/// The initialiser maps every C0 control and DEL to its picture (U+2400 block), escapes C1, bidirectional, zero-width,
/// tag and other format or invisible or unassigned characters as `\u{..}`, keeps at most eight scalars of a grapheme,
/// expands tabs to stops of eight columns and turns invalid UTF-8 into U+FFFD. Variation selectors 1 to 16 are dropped,
/// because terminals disagree on the width that they give. Joined emoji come apart: the joiner is invisible. O(n).
package struct TerminalText: Equatable, Hashable, Sendable {
  /// The clusters in order.
  package private(set) var glyphs: [Glyph]
  /// Columns that the whole text takes.
  package private(set) var width: Int

  /// The most scalars that one grapheme keeps; further ones are cut off, so that no stack of marks fills a screen.
  package static let maximumScalarsPerGrapheme = 8

  /// - Parameter limit: the most columns to keep; longer text ends in `…`. Bounds the work for a frame, whatever the
  ///   length of a log line.
  package init(_ text: some StringProtocol, limit: Int = .max) {
    var safe = ""
    var column = 0
    var scalars = text.unicodeScalars.makeIterator()
    // Four scalars a column is more than any sane text needs; beyond that the rest is cut before it is looked at.
    var budget = limit > Int.max / 8 ? Int.max : max(8, limit * 8)
    while budget > 0, let scalar = scalars.next() {
      budget -= 1
      Sanitiser.append(scalar, to: &safe, column: &column)
    }
    glyphs = []
    width = 0
    glyphs.reserveCapacity(min(safe.utf8.count, 1 << 16))
    for cluster in safe {
      let glyph = Self.glyph(cluster)
      if width + glyph.width > limit {
        self = truncated(to: max(0, limit - 1)) + Self.ellipsis.truncated(to: limit)
        return
      }
      glyphs.append(glyph)
      width += glyph.width
    }
  }

  /// Text from bytes that should be UTF-8; what is not becomes U+FFFD.
  package init(utf8 bytes: some Collection<UInt8>, limit: Int = .max) {
    self.init(String(decoding: bytes, as: UTF8.self), limit: limit)
  }

  private init(glyphs: [Glyph], width: Int) {
    self.glyphs = glyphs
    self.width = width
  }

  /// The text of one position of a screen.
  init(_ glyph: Glyph) {
    self.init(glyphs: [glyph], width: glyph.width)
  }

  /// Nothing.
  package static let empty = TerminalText(glyphs: [], width: 0)
  package static let ellipsis = TerminalText(glyphs: [Glyph(trusted: "…", width: 1)], width: 1)

  /// The lines of a text that may have several, split at LF and CRLF.
  package static func lines(_ text: String) -> [TerminalText] {
    text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { part in
      part.split(separator: "\r\n", omittingEmptySubsequences: false).map { TerminalText($0) }
    }
  }

  /// The text as a string, safe to print.
  package var string: String { glyphs.reduce(into: "") { $0 += $1.string } }

  package var isEmpty: Bool { glyphs.isEmpty }

  package static func + (left: TerminalText, right: TerminalText) -> TerminalText {
    TerminalText(glyphs: left.glyphs + right.glyphs, width: left.width + right.width)
  }

  /// At most `columns` columns of it; a glyph that is two columns wide is never halved.
  package func truncated(to columns: Int) -> TerminalText {
    guard width > columns else { return self }
    var kept: [Glyph] = []
    var used = 0
    for glyph in glyphs {
      guard used + glyph.width <= columns else { break }
      kept.append(glyph)
      used += glyph.width
    }
    return TerminalText(glyphs: kept, width: used)
  }

  /// What follows a text that it begins with.
  func dropping(_ head: TerminalText) -> TerminalText {
    TerminalText(glyphs: Array(glyphs.dropFirst(head.glyphs.count)), width: width - head.width)
  }

  /// Cut to `columns` with `…` at the end where something is missing.
  package func abbreviated(to columns: Int) -> TerminalText {
    guard width > columns else { return self }
    guard columns > 0 else { return .empty }
    return truncated(to: columns - 1) + .ellipsis
  }

  /// `count` times this text.
  package func repeated(_ count: Int) -> TerminalText {
    guard count > 0 else { return .empty }
    return TerminalText(
      glyphs: Array(repeatElement(glyphs, count: count).joined()), width: width * count)
  }

  private static func glyph(_ cluster: Character) -> Glyph {
    var string = ""
    var count = 0
    var width = 0
    var indicators = 0
    for scalar in cluster.unicodeScalars.prefix(maximumScalarsPerGrapheme) {
      // A mark without a base would attach to whatever stands to its left on the screen.
      if count == 0, DisplayWidth.columns(of: scalar) == 0 {
        string.unicodeScalars.append("◌")
        width = 1
      }
      string.unicodeScalars.append(scalar)
      count += 1
      width = max(width, DisplayWidth.columns(of: scalar))
      if scalar.properties.isEmoji, (0x1F1E6...0x1F1FF).contains(scalar.value) { indicators += 1 }
    }
    return Glyph(trusted: string, width: indicators == 2 ? 2 : max(1, width))
  }
}

extension TerminalText: ExpressibleByStringInterpolation {
  package init(stringLiteral value: String) { self.init(value) }
}

extension TerminalText: CustomStringConvertible {
  package var description: String { string }
}
