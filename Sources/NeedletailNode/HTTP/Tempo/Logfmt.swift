import NeedletailQueryEngine

/// Pairs of `name=value`, values in quotes where they hold spaces.
enum Logfmt {
  static func pairs(_ text: String) throws(QueryError) -> [(key: String, value: String)] {
    var pairs: [(key: String, value: String)] = []
    var rest = Substring(text).drop { $0 == " " }
    while !rest.isEmpty {
      let name = rest.prefix { $0 != "=" && $0 != " " }
      rest = rest.dropFirst(name.count)
      guard !name.isEmpty, rest.first == "=" else {
        throw QueryError(.badData, "invalid tags: write name=value, with quotes around a value that holds spaces")
      }
      rest = rest.dropFirst()
      pairs.append((String(name), try value(&rest)))
      rest = rest.drop { $0 == " " }
    }
    return pairs
  }

  private static func value(_ rest: inout Substring) throws(QueryError) -> String {
    guard rest.first == "\"" else {
      let value = rest.prefix { $0 != " " }
      rest = rest.dropFirst(value.count)
      return String(value)
    }
    rest = rest.dropFirst()
    var value = ""
    while let character = rest.popFirst() {
      if character == "\"" { return value }
      guard character == "\\" else {
        value.append(character)
        continue
      }
      guard let escaped = rest.popFirst() else { break }
      value.append(escaped == "n" ? "\n" : escaped == "t" ? "\t" : escaped)
    }
    throw QueryError(.badData, "invalid tags: a quoted value does not end")
  }
}
