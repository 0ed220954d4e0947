import NeedletailTelemetry

/// How the key of an attribute becomes the name of a label: every byte outside `[A-Za-z0-9_]` turns into an underscore,
/// and a leading digit gets one before it.
///
/// `service.name` is `service_name`.
enum LabelName {
  static func of(_ key: String) -> String {
    var name: [UInt8] = []
    if let first = key.utf8.first, isDigit(first) { name.append(UInt8(ascii: "_")) }
    for byte in key.utf8 { name.append(sanitized(byte)) }
    return String(decoding: name, as: UTF8.self)
  }

  /// Whether the key's label name is `name`, without making text of it.
  static func of(_ key: UnsafeRawBufferPointer, equals name: [UInt8]) -> Bool {
    var start = 0
    if let first = key.first, isDigit(first) {
      guard name.first == UInt8(ascii: "_") else { return false }
      start = 1
    }
    guard key.count + start == name.count else { return false }
    for (index, byte) in key.enumerated() where sanitized(byte) != name[index + start] { return false }
    return true
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

  private static func sanitized(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      byte
    default: UInt8(ascii: "_")
    }
  }
}
