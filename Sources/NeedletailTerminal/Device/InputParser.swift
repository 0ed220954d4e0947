/// Bytes from a terminal to events.
///
/// A terminal also sends what nobody typed (replies, pasted text, other programs' output), so the parser is total and
/// bounded: every byte moves it, it keeps at most ``maximumSequence`` bytes of a sequence and ``maximumPaste`` of a
/// paste, and a sequence that it does not know disappears whole.
package struct InputParser: Sendable {
  private enum State: Equatable {
    case ground
    case escape
    case control
    case single
    /// Inside of an OSC, DCS, PM or APC string: thrown away up to its terminator.
    case string(length: Int, sawEscape: Bool)
    case paste
    case scalar(missing: Int)
  }

  package static let maximumSequence = 32
  package static let maximumPaste = 4_096
  private static let maximumString = 4_096
  private static let pasteEnd = Array("\u{1B}[201~".utf8)

  private var state = State.ground
  private var buffer: [UInt8] = []
  private var alt = false

  package init() {}

  /// Whether bytes were read that wait for more; when none come within some 25 ms, call ``flush``.
  package var isPending: Bool { state != .ground && state != .paste }

  package mutating func feed(_ bytes: some Sequence<UInt8>) -> [InputEvent] {
    var events: [InputEvent] = []
    for byte in bytes { take(byte, &events) }
    return events
  }

  /// No more bytes came: an escape that stands alone is the key itself, anything else unfinished is dropped.
  package mutating func flush() -> [InputEvent] {
    defer { reset() }
    switch state {
    case .escape: return [.key(.escape, [])]
    case .control where buffer.isEmpty: return [.key(.character("["), .alt)]
    case .single: return [.key(.character("O"), .alt)]
    default: return []
    }
  }

  private mutating func reset() {
    state = .ground
    buffer.removeAll(keepingCapacity: true)
    alt = false
  }

  private mutating func take(_ byte: UInt8, _ events: inout [InputEvent]) {
    switch state {
    case .ground: ground(byte, &events)
    case .escape: escape(byte, &events)
    case .control: control(byte, &events)
    case .single:
      reset()
      if let key = Self.letterKey(byte) { events.append(.key(key, [])) }
    case .string(let length, let sawEscape):
      let isEnd = byte == 0x07 || (sawEscape && byte == 0x5C) || length >= Self.maximumString
      if isEnd { reset() } else { state = .string(length: length + 1, sawEscape: byte == 0x1B) }
    case .paste: paste(byte, &events)
    case .scalar(let missing): scalar(byte, missing, &events)
    }
  }

  private mutating func ground(_ byte: UInt8, _ events: inout [InputEvent]) {
    let modifiers: InputEvent.Modifiers = alt ? .alt : []
    alt = false
    switch byte {
    case 0x1B: state = .escape
    case 0x0D, 0x0A: events.append(.key(.enter, modifiers))
    case 0x09: events.append(.key(.tab, modifiers))
    case 0x08, 0x7F: events.append(.key(.backspace, modifiers))
    case 0x00: events.append(.key(.character(" "), modifiers.union(.control)))
    case 0x01...0x1A:
      events.append(.key(.character(Unicode.Scalar(byte + 0x60)), modifiers.union(.control)))
    case 0x20...0x7E: events.append(.key(.character(Unicode.Scalar(byte)), modifiers))
    case 0xC2...0xDF: begin(byte, missing: 1, modifiers)
    case 0xE0...0xEF: begin(byte, missing: 2, modifiers)
    case 0xF0...0xF4: begin(byte, missing: 3, modifiers)
    default: return
    }
  }

  private mutating func begin(_ byte: UInt8, missing: Int, _ modifiers: InputEvent.Modifiers) {
    alt = modifiers.contains(.alt)
    buffer = [byte]
    state = .scalar(missing: missing)
  }

  private mutating func scalar(_ byte: UInt8, _ missing: Int, _ events: inout [InputEvent]) {
    guard byte & 0xC0 == 0x80 else {
      reset()
      return ground(byte, &events)
    }
    buffer.append(byte)
    guard missing == 1 else {
      state = .scalar(missing: missing - 1)
      return
    }
    let decoded = String(decoding: buffer, as: UTF8.self).unicodeScalars
    if decoded.count == 1, let scalar = decoded.first, scalar != "\u{FFFD}" {
      events.append(.key(.character(scalar), alt ? .alt : []))
    }
    reset()
  }

  private mutating func escape(_ byte: UInt8, _ events: inout [InputEvent]) {
    switch byte {
    case 0x5B: state = .control
    case 0x4F: state = .single
    case 0x5D, 0x50, 0x5E, 0x5F, 0x58: state = .string(length: 0, sawEscape: false)
    case 0x1B: events.append(.key(.escape, []))
    default:
      reset()
      alt = true
      ground(byte, &events)
    }
  }

  private mutating func control(_ byte: UInt8, _ events: inout [InputEvent]) {
    switch byte {
    case 0x20...0x3F:
      buffer.append(byte)
      if buffer.count > Self.maximumSequence { reset() }
    case 0x40...0x7E:
      let parameters = buffer
      reset()
      finish(parameters, final: byte, &events)
    default:
      reset()
      if byte == 0x1B { state = .escape }
    }
  }

  private mutating func finish(_ parameters: [UInt8], final: UInt8, _ events: inout [InputEvent]) {
    if parameters.first == UInt8(ascii: "<") {
      if let event = Self.mouse(parameters.dropFirst(), final: final) { events.append(event) }
      return
    }
    guard let numbers = Self.numbers(parameters[...]) else { return }
    if final == UInt8(ascii: "~"), numbers.first == 200 {
      state = .paste
      return
    }
    let modifiers = InputEvent.Modifiers(
      rawValue: numbers.count > 1 ? UInt8(truncatingIfNeeded: max(1, numbers[1]) - 1) & 7 : 0)
    if final == UInt8(ascii: "Z") {
      events.append(.key(.tab, .shift))
    } else if final == UInt8(ascii: "~"), let key = Self.numberKey(numbers.first ?? 0) {
      events.append(.key(key, modifiers))
    } else if let key = Self.letterKey(final) {
      events.append(.key(key, modifiers))
    }
  }

  private mutating func paste(_ byte: UInt8, _ events: inout [InputEvent]) {
    buffer.append(byte)
    if buffer.suffix(Self.pasteEnd.count).elementsEqual(Self.pasteEnd) {
      let text = buffer.dropLast(Self.pasteEnd.count)
      events.append(.paste(TerminalText(utf8: text.prefix(Self.maximumPaste))))
      reset()
    } else if buffer.count > Self.maximumPaste + 2 * Self.pasteEnd.count {
      // Beyond the bound only the tail is kept, in which the end is looked for.
      buffer.remove(at: Self.maximumPaste)
    }
  }

  private static func mouse(_ parameters: ArraySlice<UInt8>, final: UInt8) -> InputEvent? {
    guard let numbers = numbers(parameters), numbers.count == 3, numbers[1] > 0, numbers[2] > 0 else { return nil }
    let action: InputEvent.MouseAction
    switch (numbers[0], final) {
    case (64, UInt8(ascii: "M")): action = .scrollUp
    case (65, UInt8(ascii: "M")): action = .scrollDown
    case (0...2, UInt8(ascii: "M")): action = .press
    case (0...2, UInt8(ascii: "m")): action = .release
    default: return nil
    }
    return .mouse(action, column: numbers[1] - 1, row: numbers[2] - 1)
  }

  /// Numbers of at most five digits between semicolons; nil for anything else.
  private static func numbers(_ bytes: ArraySlice<UInt8>) -> [Int]? {
    if bytes.isEmpty { return [] }
    var result: [Int] = []
    for part in bytes.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false) {
      guard part.count <= 5 else { return nil }
      var value = 0
      for byte in part {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = value * 10 + Int(byte - 0x30)
      }
      result.append(value)
    }
    return result
  }

  private static func letterKey(_ byte: UInt8) -> InputEvent.Key? {
    switch byte {
    case UInt8(ascii: "A"): .up
    case UInt8(ascii: "B"): .down
    case UInt8(ascii: "C"): .right
    case UInt8(ascii: "D"): .left
    case UInt8(ascii: "H"): .home
    case UInt8(ascii: "F"): .end
    case UInt8(ascii: "P")...UInt8(ascii: "S"): .function(Int(byte - UInt8(ascii: "P")) + 1)
    default: nil
    }
  }

  private static func numberKey(_ number: Int) -> InputEvent.Key? {
    switch number {
    case 1, 7: .home
    case 2: .insert
    case 3: .delete
    case 4, 8: .end
    case 5: .pageUp
    case 6: .pageDown
    case 11...15: .function(number - 10)
    case 17...21: .function(number - 11)
    case 23, 24: .function(number - 12)
    default: nil
    }
  }
}
