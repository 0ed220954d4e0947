/// Whose data it is: part of every batch, key and query.
///
/// The grammar is `[A-Za-z0-9_-]{1,64}`, so that an identifier may stand in a path or a header as it is.
package struct TenantID: Hashable, Sendable, CustomStringConvertible {
  package static let lengthMax = 64

  /// The tenant of a request that names none.
  package static let `default` = TenantID(trusted: "default")

  package let description: String

  private init(trusted text: String) { description = text }

  /// The tenant named by `text`, or nil where that is not of the grammar.
  package init?(_ text: some StringProtocol) {
    let bytes = text.utf8
    guard (1...Self.lengthMax).contains(bytes.count), bytes.allSatisfy(Self.isAllowed) else { return nil }
    description = String(text)
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  /// The seed that keeps equal labels of two tenants apart in every hash.
  package var hashSeed: UInt64 {
    var text = description
    return text.withUTF8 { Hash128.of(UnsafeRawBufferPointer($0)).low }
  }
}
