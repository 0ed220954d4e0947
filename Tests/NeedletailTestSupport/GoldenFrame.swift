import Foundation
import NeedletailTerminal
import Testing

/// Compares a frame with the file of that name in `Golden` beside the calling test; `NEEDLETAIL_REWRITE=1` rewrites it.
package func expectGolden(
  _ text: String, _ name: String, file: String = #filePath, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let folder = URL(filePath: file).deletingLastPathComponent().appending(path: "Golden")
  let path = folder.appending(path: name + ".txt")
  if ProcessInfo.processInfo.environment["NEEDLETAIL_REWRITE"] == "1" {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try text.write(to: path, atomically: true, encoding: .utf8)
  }
  let expected = try String(contentsOf: path, encoding: .utf8)
  #expect(text == expected, "\(name): NEEDLETAIL_REWRITE=1 rewrites it", sourceLocation: sourceLocation)
}

/// A frame as text, with a border so that its size shows.
package func framed(_ buffer: CellBuffer) -> String {
  let edge = "+" + String(repeating: "-", count: buffer.size.columns) + "+\n"
  return (0..<buffer.size.rows).reduce(into: edge) { text, row in
    text += "|" + (0..<buffer.size.columns).reduce(into: "") { $0 += buffer[row, $1].glyph.string } + "|\n"
  } + edge
}
