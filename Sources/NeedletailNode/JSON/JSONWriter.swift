/// Writes JSON straight to bytes, piece by piece: no tree of values, no reflection.
///
/// A point of a result costs tens of nanoseconds, where an encoder of `Codable` values costs a microsecond.
///
/// The caller keeps the order that JSON asks for (a key before each member of an object); commas are the writer's.
struct JSONWriter {
  private(set) var bytes: [UInt8] = []
  private var needsComma = false

  init() {}

  /// A writer with room for so many bytes.
  init(reserving count: Int) { bytes.reserveCapacity(count) }

  var count: Int { bytes.count }

  /// What was written since the last call; the writer goes on after it.
  mutating func take() -> [UInt8] {
    let taken = bytes
    bytes.removeAll(keepingCapacity: true)
    return taken
  }

  mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows {
    beginObject()
    try body(&self)
    endObject()
  }

  mutating func array(_ body: (inout JSONWriter) throws -> Void) rethrows {
    beginArray()
    try body(&self)
    endArray()
  }

  mutating func beginObject() { open(UInt8(ascii: "{")) }
  mutating func endObject() { close(UInt8(ascii: "}")) }
  mutating func beginArray() { open(UInt8(ascii: "[")) }
  mutating func endArray() { close(UInt8(ascii: "]")) }

  mutating func key(_ name: String) {
    string(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  mutating func string(_ text: String) {
    var text = text
    text.withUTF8 { string(utf8: UnsafeRawBufferPointer($0)) }
  }

  /// A string from bytes; what is not UTF-8 becomes U+FFFD.
  mutating func string(bytes text: UnsafeRawBufferPointer) {
    var all: UInt8 = 0
    for byte in text { all |= byte }
    if all < 0x80 { string(utf8: text) } else { string(String(decoding: text, as: UTF8.self)) }
  }

  /// A key from bytes, as `string(bytes:)`.
  mutating func key(bytes name: UnsafeRawBufferPointer) {
    string(bytes: name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  /// A member whose name and value are bytes, as `key(bytes:)` and `string(bytes:)` write them.
  ///
  /// Most labels have nothing to escape: those are copied as they are.
  mutating func member(bytes name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    guard Self.isPlain(name), Self.isPlain(value) else {
      key(bytes: name)
      return string(bytes: value)
    }
    DigitCursor.append(upTo: name.count + value.count + 6, to: &bytes) { [needsComma] cursor in
      if needsComma { cursor.character(",") }
      cursor.character("\"")
      cursor.text(name)
      cursor.character("\"")
      cursor.character(":")
      cursor.character("\"")
      cursor.text(value)
      cursor.character("\"")
    }
    needsComma = true
  }

  /// Whether bytes are ASCII and none of them is to be escaped.
  static func isPlain(_ text: UnsafeRawBufferPointer) -> Bool {
    guard text.count >= 8 else { return text.allSatisfy { $0 >= 32 && $0 < 0x7f && $0 != 0x22 && $0 != 0x5c } }
    var isPlain = true
    var offset = 0
    while offset < text.count {
      // The last word overlaps the one before.
      let word = text.loadUnaligned(fromByteOffset: min(offset, text.count - 8), as: UInt64.self)
      isPlain = isPlain && Self.isPlain(word)
      offset += 8
    }
    return isPlain
  }

  /// The same for eight bytes at once.
  @inline(__always) private static func isPlain(_ word: UInt64) -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    /// Has the highest bit of a byte set where that byte is 0, or where a lower one is.
    func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word }
    let controls = (word &- ones &* 32) & ~word
    let others = zeros(word ^ ones &* 0x22) | zeros(word ^ ones &* 0x5c) | zeros(word ^ ones &* 0x7f)
    return (word | controls | others) & (ones &* 0x80) == 0
  }

  /// A value that is JSON already.
  mutating func verbatim(_ json: String) {
    separate()
    bytes.append(contentsOf: json.utf8)
  }

  mutating func integer(_ value: some FixedWidthInteger) {
    separate()
    bytes.append(contentsOf: String(value).utf8)
  }

  mutating func bool(_ value: Bool) {
    separate()
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// A number as a JSON number where it is finite, else as one of the strings of protobuf's JSON form.
  mutating func number(_ value: Double) {
    guard value.isFinite else { return string(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity") }
    separate()
    NumberText.append(value, to: &bytes)
  }

  /// A number in quotes, as Prometheus writes the values of samples.
  mutating func quotedNumber(_ value: Double) {
    separate(next: UInt8(ascii: "\""))
    NumberText.append(value, to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  /// An integer in quotes, as protobuf's JSON form writes 64-bit numbers.
  mutating func quotedInteger(_ value: some FixedWidthInteger) {
    separate(next: UInt8(ascii: "\""))
    bytes.append(contentsOf: String(value).utf8)
    bytes.append(UInt8(ascii: "\""))
  }

  /// A sample as Prometheus writes it: the time, given in milliseconds, in seconds, and the value in quotes.
  mutating func point(_ time: Int64, _ value: Double) {
    DigitCursor.append(upTo: PointText.max, to: &bytes) { [needsComma] cursor in
      if needsComma { cursor.character(",") }
      var text = PointText()
      text.write(time, value, to: &cursor)
    }
    needsComma = true
  }

  /// As many samples as there are times and values, each as `point` writes it.
  ///
  /// Answers mostly consist of these.
  mutating func points(_ times: UnsafeBufferPointer<Int64>, _ values: UnsafeBufferPointer<Double>) {
    var text = PointText()
    var start = 0
    while start < times.count {
      // So many that what is reserved for them and not needed is little.
      let some = start..<min(start + 128, times.count)
      DigitCursor.append(upTo: some.count * PointText.max, to: &bytes) { [needsComma] cursor in
        for index in some {
          if needsComma || index > 0 { cursor.character(",") }
          text.write(times[index], values[index], to: &cursor)
        }
      }
      needsComma = true
      start = some.upperBound
    }
  }

  /// Milliseconds as seconds with up to three decimals.
  mutating func seconds(fromMilliseconds time: Int64) {
    separate()
    if time < 0 { bytes.append(UInt8(ascii: "-")) }
    let (whole, fraction) = time.magnitude.quotientAndRemainder(dividingBy: 1000)
    NumberText.append(whole, to: &bytes)
    guard fraction != 0 else { return }
    bytes.append(UInt8(ascii: "."))
    if fraction < 100 { bytes.append(UInt8(ascii: "0")) }
    if fraction < 10 { bytes.append(UInt8(ascii: "0")) }
    NumberText.append(fraction, to: &bytes)
  }

  private mutating func open(_ bracket: UInt8) {
    separate(next: bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  private mutating func separate(next: UInt8? = nil) {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
    if let next { bytes.append(next) }
  }

  private mutating func string(utf8 text: UnsafeRawBufferPointer) {
    separate(next: UInt8(ascii: "\""))
    var start = 0
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte < 32 || byte == 0x22 || byte == 0x5c || byte == 0x7f {
        append(text, start..<index)
        escape(byte)
        start = index + 1
      }
      index += 1
    }
    append(text, start..<text.count)
    bytes.append(UInt8(ascii: "\""))
  }

  /// A slice of the buffer would be copied byte by byte.
  private mutating func append(_ text: UnsafeRawBufferPointer, _ range: Range<Int>) {
    bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: text[range]))
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case 0x22: bytes.append(contentsOf: "\\\"".utf8)
    case 0x5c: bytes.append(contentsOf: "\\\\".utf8)
    case 0x0a: bytes.append(contentsOf: "\\n".utf8)
    case 0x0d: bytes.append(contentsOf: "\\r".utf8)
    case 0x09: bytes.append(contentsOf: "\\t".utf8)
    default:
      let digits = String(byte, radix: 16)
      bytes.append(contentsOf: ("\\u00" + (digits.utf8.count == 1 ? "0" : "") + digits).utf8)
    }
  }
}
