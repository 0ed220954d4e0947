/// What a person did at the terminal.
package enum InputEvent: Equatable, Sendable {
  case key(Key, Modifiers)
  case mouse(MouseAction, column: Int, row: Int)
  /// Pasted text, bounded and sanitised; never to be taken for keys.
  case paste(TerminalText)
  /// The window has another size now.
  case resize(Size)
  /// The process got SIGINT: Ctrl-C where the terminal is not raw.
  case interrupt
  /// The process was asked to end (SIGTERM, SIGHUP), or the terminal went away.
  case terminate

  package enum Key: Equatable, Sendable {
    case character(Unicode.Scalar)
    case enter, escape, tab, backspace, delete, insert
    case up, down, left, right, home, end, pageUp, pageDown
    /// F1 to F12.
    case function(Int)
  }

  package struct Modifiers: OptionSet, Equatable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let shift = Modifiers(rawValue: 1)
    package static let alt = Modifiers(rawValue: 2)
    package static let control = Modifiers(rawValue: 4)
  }

  package enum MouseAction: Equatable, Sendable {
    case press, release, scrollUp, scrollDown
  }
}
