/// Decides, scalar by scalar, what may reach a screen.
///
/// A deny list by Unicode property rather than by number, so that characters that a later Unicode adds as invisible
/// are covered as soon as the standard library knows them, and unassigned ones are escaped until then.
enum Sanitiser {
  private static let tabStop = 8

  /// Appends what stands for `scalar`; `column` counts roughly where the text is, for tabs.
  static func append(_ scalar: Unicode.Scalar, to text: inout String, column: inout Int) {
    switch scalar.value {
    case 0x20...0x7E:
      text.unicodeScalars.append(scalar)
      column &+= 1
    case 0x09:
      let spaces = tabStop - column % tabStop
      text += String(repeating: " ", count: spaces)
      column &+= spaces
    case 0x00...0x1F:
      appendPicture(0x2400 + scalar.value, to: &text, column: &column)
    case 0x7F:
      appendPicture(0x2421, to: &text, column: &column)
    case 0xFE00...0xFE0F:
      return
    default:
      if isShowable(scalar) {
        text.unicodeScalars.append(scalar)
        column &+= DisplayWidth.columns(of: scalar)
      } else {
        let escaped = "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
        text += escaped
        column &+= escaped.utf8.count
      }
    }
  }

  private static func appendPicture(_ value: UInt32, to text: inout String, column: inout Int) {
    text.unicodeScalars.append(Unicode.Scalar(value) ?? "\u{FFFD}")
    column &+= 1
  }

  private static func isShowable(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    if properties.isDefaultIgnorableCodePoint || properties.isNoncharacterCodePoint { return false }
    switch properties.generalCategory {
    case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .unassigned: return false
    default: return true
    }
  }
}
