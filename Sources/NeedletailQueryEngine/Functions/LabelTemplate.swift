import NeedletailTelemetry

/// The replacement of `label_replace`: text with `$1`, `$name`, `${name}`, and `$$` for a dollar.
struct LabelTemplate {
  private enum Part {
    case text(String)
    /// Index of a group; nil for one that the expression does not have.
    case group(Int?)
  }

  private var parts: [Part] = []

  /// Splits a template; names of groups are those of the expression.
  init(_ template: String, _ expression: RegularExpression) {
    var rest = Substring(template)
    var text = ""
    while let character = rest.first {
      guard character == "$" else {
        text.append(character)
        rest.removeFirst()
        continue
      }
      rest.removeFirst()
      if rest.first == "$" {
        text.append("$")
        rest.removeFirst()
        continue
      }
      guard let name = Self.takeName(&rest) else {
        text.append("$")
        continue
      }
      parts.append(.text(text))
      text = ""
      parts.append(.group(Self.group(name, expression)))
    }
    parts.append(.text(text))
  }

  private static func takeName(_ rest: inout Substring) -> String? {
    let isBraced = rest.first == "{"
    let body = isBraced ? rest.dropFirst() : rest
    let name = body.prefix { $0 == "_" || $0.isLetter || $0.isNumber }
    guard !name.isEmpty else { return nil }
    let after = body.dropFirst(name.count)
    guard isBraced else {
      rest = after
      return String(name)
    }
    guard after.first == "}" else { return nil }
    rest = after.dropFirst()
    return String(name)
  }

  private static func group(_ name: String, _ expression: RegularExpression) -> Int? {
    if name.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) {
      return Int(name).flatMap { $0 <= expression.groupCount ? $0 : nil }
    }
    return (0...expression.groupCount).dropFirst().first { expression.groupName($0) == name }
  }

  /// The text with the groups of a match put in; what took no part in the match is empty.
  func expand(_ text: UnsafeRawBufferPointer, _ groups: [Range<Int>?]) -> String {
    var result = ""
    for part in parts {
      switch part {
      case .text(let text): result += text
      case .group(let index):
        if let index, index < groups.count, let range = groups[index] {
          result += String(decoding: text[range], as: UTF8.self)
        }
      }
    }
    return result
  }
}

/// The order in which people expect names: digits by their value.
enum NaturalOrder {
  static func precedes(_ left: String, _ right: String) -> Bool {
    let (one, other) = (Array(left.utf8), Array(right.utf8))
    var (i, j) = (0, 0)
    while i < one.count, j < other.count {
      let (firstDigits, secondDigits) = (digits(one, i), digits(other, j))
      if !firstDigits.isEmpty, !secondDigits.isEmpty {
        let first = firstDigits.drop { $0 == UInt8(ascii: "0") }
        let second = secondDigits.drop { $0 == UInt8(ascii: "0") }
        if first.count != second.count { return first.count < second.count }
        if !first.elementsEqual(second) { return first.lexicographicallyPrecedes(second) }
        i += firstDigits.count
        j += secondDigits.count
        continue
      }
      if one[i] != other[j] { return one[i] < other[j] }
      i += 1
      j += 1
    }
    return one.count - i < other.count - j
  }

  private static func digits(_ bytes: [UInt8], _ start: Int) -> ArraySlice<UInt8> {
    bytes[start...].prefix { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
  }
}
