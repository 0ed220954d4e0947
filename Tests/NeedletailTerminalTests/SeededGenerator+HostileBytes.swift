import NeedletailEnvironment

extension SeededGenerator {
  /// Bytes that hurt: escapes, controls, marks, bidirectional and wide characters, invalid UTF-8.
  mutating func hostileBytes(upTo count: Int) -> [UInt8] {
    let pieces: [[UInt8]] = [
      Array("\u{1B}[2J".utf8), Array("\u{1B}]52;c;aGk=\u{07}".utf8), [0x9B, 0x33, 0x31, 0x6D], [0xC2, 0x9B],
      Array("\u{202E}".utf8), Array("\u{200B}\u{200D}".utf8), Array("e\u{301}\u{301}\u{302}".utf8),
      Array("漢字".utf8), Array("👩‍👩‍👧".utf8), Array("🇨🇭".utf8), [0xFF, 0xC0, 0x80], [0x00, 0x07, 0x08, 0x7F],
      Array("\t\r\n".utf8), Array("plain text".utf8), Array("\u{E0041}\u{FEFF}\u{2028}".utf8), Array("각\u{1160}".utf8),
    ]
    var bytes: [UInt8] = []
    while bytes.count < count {
      if Bool.random(using: &self) {
        bytes += pieces[Int.random(in: 0..<pieces.count, using: &self)]
      } else {
        bytes.append(UInt8.random(in: 0...255, using: &self))
      }
    }
    return bytes
  }
}
