/// A line of text that a person edits, with the keys of readline and a history: a plain value that is told of events.
///
/// The text is of grapheme clusters, so that a cursor never stands within what looks like one character.
package struct LineEditor: Equatable, Sendable {
  /// What an event came to.
  package enum Outcome: Equatable, Sendable {
    /// The text or the cursor is another.
    case changed
    /// Enter was pressed.
    case submitted
    /// Ctrl-C: the line is given up.
    case cancelled
    /// Ctrl-D on an empty line, or the terminal is gone.
    case ended
    /// Not an editing key.
    case ignored
  }

  /// The most characters of a line; what is more is not taken in.
  package static let charactersMax = 16_384
  private static let historyMax = 1_000

  private var characters: [Character] = []
  /// Before which character the cursor stands.
  private var cursor = 0
  /// Earlier lines, the oldest first.
  package private(set) var history: [String]
  /// Which line of the history is shown; its count where it is the new one.
  private var place: Int
  /// The new line, while one of the history is shown.
  private var draft: [Character] = []
  /// What was cut last, for Ctrl-Y.
  private var cut: [Character] = []

  /// An empty line after these.
  package init(history: [String] = []) {
    self.history = Array(history.suffix(Self.historyMax))
    place = self.history.count
  }

  package var text: String { String(characters) }

  /// The cursor as a byte of the text.
  package var offset: Int { String(characters[..<cursor]).utf8.count }

  /// The text before and behind the cursor.
  package var parts: (before: String, behind: String) {
    (String(characters[..<cursor]), String(characters[cursor...]))
  }

  /// Puts a text into the place of some bytes, and the cursor behind it.
  ///
  /// Bytes within a character stand for all of it.
  package mutating func replace(_ bytes: Range<Int>, with new: String) {
    let (start, end) = (index(ofByte: bytes.lowerBound), index(ofByte: bytes.upperBound))
    characters.replaceSubrange(start..<max(start, end), with: Array(new))
    cursor = start + new.count
    limit()
  }

  /// Makes the line part of the history, and begins a new one, with the same text if that is to be kept.
  package mutating func commit(keepingText: Bool = false) {
    let line = text
    if !line.isEmpty, history.last != line { history.append(line) }
    history.removeFirst(max(0, history.count - Self.historyMax))
    if keepingText { (draft, place) = ([], history.count) } else { clear() }
  }

  /// Begins anew.
  package mutating func clear() {
    (characters, draft, cursor, place) = ([], [], 0, history.count)
  }

  /// Takes an event.
  package mutating func handle(_ event: InputEvent) -> Outcome {
    switch event {
    case .terminate: return .ended
    case .interrupt: return .cancelled
    case .resize: return .changed
    case .mouse: return .ignored
    case .paste(let text):
      insert(Array(Self.oneLine(text.string)))
      return .changed
    case .key(let key, let modifiers):
      if modifiers.contains(.control), case .character(let scalar) = key { return control(scalar) }
      if modifiers.contains(.alt), case .character(let scalar) = key { return alternate(scalar) }
      return plain(key, isWord: !modifiers.isDisjoint(with: [.control, .alt]))
    }
  }

  private mutating func plain(_ key: InputEvent.Key, isWord: Bool) -> Outcome {
    switch key {
    case .character(let scalar): insert([Character(scalar)])
    case .enter: return .submitted
    case .backspace: remove(isWord ? wordStart..<cursor : max(0, cursor - 1)..<cursor, keeps: isWord)
    case .delete: remove(cursor..<(isWord ? wordEnd : min(cursor + 1, characters.count)), keeps: isWord)
    case .left: cursor = isWord ? wordStart : max(0, cursor - 1)
    case .right: cursor = isWord ? wordEnd : min(characters.count, cursor + 1)
    case .home: cursor = 0
    case .end: cursor = characters.count
    case .up: show(place - 1)
    case .down: show(place + 1)
    case .escape, .tab, .insert, .pageUp, .pageDown, .function: return .ignored
    }
    return .changed
  }

  private mutating func control(_ scalar: Unicode.Scalar) -> Outcome {
    switch scalar {
    case "a": cursor = 0
    case "e": cursor = characters.count
    case "b": cursor = max(0, cursor - 1)
    case "f": cursor = min(characters.count, cursor + 1)
    case "h": remove(max(0, cursor - 1)..<cursor, keeps: false)
    case "k": remove(cursor..<characters.count, keeps: true)
    case "u": remove(0..<cursor, keeps: true)
    case "w": remove(blankStart..<cursor, keeps: true)
    case "y": insert(cut)
    case "p": show(place - 1)
    case "n": show(place + 1)
    case "c": return .cancelled
    // What Enter sends while the terminal is not raw.
    case "j", "m": return .submitted
    case "d":
      if characters.isEmpty { return .ended }
      remove(cursor..<min(cursor + 1, characters.count), keeps: false)
    default: return .ignored
    }
    return .changed
  }

  private mutating func alternate(_ scalar: Unicode.Scalar) -> Outcome {
    switch scalar {
    case "b": cursor = wordStart
    case "f": cursor = wordEnd
    case "d": remove(cursor..<wordEnd, keeps: true)
    default: return .ignored
    }
    return .changed
  }

  // MARK: Text

  private mutating func insert(_ new: [Character]) {
    // Joined anew: a mark belongs to the character before it.
    let (before, behind) = parts
    let left = before + String(new)
    characters = Array(left + behind)
    cursor = min(Array(left).count, characters.count)
    limit()
  }

  private mutating func limit() {
    if characters.count > Self.charactersMax { characters.removeLast(characters.count - Self.charactersMax) }
    cursor = min(cursor, characters.count)
  }

  private mutating func remove(_ range: Range<Int>, keeps: Bool) {
    guard !range.isEmpty else { return }
    if keeps { cut = Array(characters[range]) }
    characters.removeSubrange(range)
    cursor = range.lowerBound
  }

  /// Shows a line of the history, or the new one behind them.
  private mutating func show(_ wanted: Int) {
    guard (0...history.count).contains(wanted), wanted != place else { return }
    if place == history.count { draft = characters }
    place = wanted
    characters = wanted == history.count ? draft : Array(history[wanted])
    cursor = characters.count
  }

  private func index(ofByte byte: Int) -> Int {
    var (bytes, index) = (0, 0)
    while index < characters.count, bytes < byte {
      bytes += characters[index].utf8.count
      index += 1
    }
    return index
  }

  private var wordStart: Int {
    var index = cursor
    while index > 0, !Self.isWord(characters[index - 1]) { index -= 1 }
    while index > 0, Self.isWord(characters[index - 1]) { index -= 1 }
    return index
  }

  private var wordEnd: Int {
    var index = cursor
    while index < characters.count, !Self.isWord(characters[index]) { index += 1 }
    while index < characters.count, Self.isWord(characters[index]) { index += 1 }
    return index
  }

  /// Where what blanks part from the rest begins: what Ctrl-W takes away.
  private var blankStart: Int {
    var index = cursor
    while index > 0, characters[index - 1] == " " { index -= 1 }
    while index > 0, characters[index - 1] != " " { index -= 1 }
    return index
  }

  private static func isWord(_ character: Character) -> Bool {
    character.isLetter || character.isNumber || character == "_"
  }

  /// A pasted text in one line: the pictures that stand for ends of lines and tabs become blanks.
  private static func oneLine(_ text: String) -> String {
    String(text.map { ["\u{240A}", "\u{240D}", "\u{2409}"].contains($0) ? " " : $0 })
  }
}
