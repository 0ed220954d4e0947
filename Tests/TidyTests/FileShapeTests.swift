import Testing

@Suite("The shape of files")
struct FileShapeTests {
  /// Lines, at the most. Only ever lowered.
  private static let fileLinesMax = 500
  private static let functionLinesMax = 80
  private static let blobBytesMax = 256 << 10
  /// Interfaces that were laid before what stands on them, and what for. A file leaves this list when it is used.
  private static let awaited: [String: String] = [:]

  @Test("No Swift file is longer than the ratchet")
  func filesAreShort() {
    for file in Repository.shared.swift(in: "Sources") + Repository.shared.swift(in: "Tests") {
      #expect(
        file.lines.count <= Self.fileLinesMax, "\(file.path) has \(file.lines.count) lines: is it really one thing?")
    }
  }

  @Test("No function is longer than the ratchet")
  func functionsFitAScreen() {
    for file in Repository.shared.swift(in: "Sources") {
      for function in functions(of: file) {
        #expect(
          function.length <= Self.functionLinesMax,
          "\(file.path):\(function.line): \(function.length) lines in one function")
      }
    }
  }

  /// Functions and initialisers, found by the indentation that the formatter guarantees.
  private func functions(of file: Repository.File) -> [(line: Int, length: Int)] {
    var found: [(line: Int, length: Int)] = []
    var open: (line: Int, indent: Int)?
    for (number, line) in file.lines.enumerated() {
      let indent = line.prefix { $0 == " " }.count
      let code = line.dropFirst(indent)
      if let start = open {
        if indent == start.indent, code.hasPrefix("}") {
          found.append((start.line, number + 1 - start.line))
          open = nil
        }
      } else if isFunctionStart(code) {
        open = (number + 1, indent)
        if code.hasSuffix("}") { open = nil }
      }
    }
    return found
  }

  private func isFunctionStart(_ code: Substring) -> Bool {
    let words = code.split(separator: " ").prefix(6)
    return words.contains("func") || words.contains { $0.hasPrefix("init(") }
  }

  @Test("Nothing is left over: no marks of unfinished work, no conflict marks, no tabs, no control characters")
  func nothingIsLeftOver() throws {
    let marks = try Regex(#"\b(TO"# + #"DO|FIX"# + #"ME|XX"# + #"X)\b|^(<<<<<<<|>>>>>>>) "#)
    for file in Repository.shared.swift(in: "Sources") + Repository.shared.swift(in: "Tests") {
      for (number, line) in file.lines.enumerated() {
        #expect(line.firstMatch(of: marks) == nil, "\(file.path):\(number + 1): finish it or take it out")
        let isClean = !line.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7f }
        #expect(isClean, "\(file.path):\(number + 1): a tab or control character")
      }
    }
  }

  @Test("No file is a blob")
  func noBlobs() {
    for file in Repository.shared.files where !file.path.hasSuffix(".pb.swift") {
      #expect(file.byteCount <= Self.blobBytesMax, "\(file.path): \(file.byteCount) bytes")
    }
  }

  @Test("Every source file declares something that another file uses")
  func noDeadFiles() throws {
    let sources = Repository.shared.swift(in: "Sources")
    var words: [String: Set<String>] = [:]
    for file in sources {
      for word in Set(file.text.split { !$0.isLetter && !$0.isNumber && $0 != "_" }) {
        words[String(word), default: []].insert(file.path)
      }
    }
    let declaration = try Regex(
      #"\b(?:struct|class|enum|protocol|actor|func|typealias|extension|let|var)\s+`?([A-Za-z_][A-Za-z0-9_]*)"#)
    for file in sources where !file.text.contains("@main") {
      let names = file.lines.filter { !$0.hasPrefix(" ") && !isComment($0) }.compactMap {
        $0.firstMatch(of: declaration)?.output[1].substring
      }
      let isExtensionOnly = !file.lines.contains { line in
        !line.hasPrefix(" ") && line.contains(#/\b(struct|class|enum|protocol|actor|func|typealias|let|var)\b/#)
      }
      if isExtensionOnly || names.isEmpty { continue }
      let isUsed = names.contains { name in words[String(name), default: []].contains { $0 != file.path } }
      let isAwaited = Self.awaited[file.path] != nil
      #expect(!(isUsed && isAwaited), "\(file.path) is used now: take it off the list of what is awaited")
      if isAwaited { continue }
      #expect(isUsed, "\(file.path): nothing in Sources uses \(names.joined(separator: ", "))")
    }
  }
}
