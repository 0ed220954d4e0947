/// Takes apart the messages of a streaming call as their bytes come in.
struct GRPCDeframer: Sendable {
  private let messageBytesMax: Int
  private var bytes: [UInt8] = []
  private var start = 0

  init(messageBytesMax: Int) { self.messageBytesMax = messageBytesMax }

  /// Whether nothing is left.
  var isEmpty: Bool { start == bytes.count }

  /// Whether `next` has something to say: a message, or that what comes is none.
  var hasMessage: Bool {
    guard let length else { return false }
    return length > messageBytesMax || bytes[start] != 0 || bytes.count - start - GRPCMessage.prefixBytes >= length
  }

  mutating func append(_ more: some Collection<UInt8>) {
    if start > 0, start >= bytes.count / 2 {
      bytes.removeFirst(start)
      start = 0
    }
    bytes.append(contentsOf: more)
  }

  /// The next message where all of it is there.
  mutating func next() throws(PeerError) -> [UInt8]? {
    guard let length else { return nil }
    guard bytes[start] == 0 else { throw .malformed("a compressed message") }
    guard length <= messageBytesMax else { throw .malformed("a message of \(length) bytes") }
    let first = start + GRPCMessage.prefixBytes
    guard bytes.count - first >= length else { return nil }
    start = first + length
    return Array(bytes[first..<start])
  }

  private var length: Int? {
    guard bytes.count - start >= GRPCMessage.prefixBytes else { return nil }
    return bytes[(start + 1)..<(start + GRPCMessage.prefixBytes)].reduce(0) { $0 << 8 | Int($1) }
  }
}
