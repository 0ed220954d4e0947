import NeedletailTelemetry

/// What collectors and replicas say to each other about writes, and its byte form (docs/formats/write-message.md).
package enum WriteMessage: Equatable, Sendable {
  /// Store these frames and acknowledge when they are on disk.
  case append(WriteAppend)
  /// The write is on disk.
  case acknowledge(WriteID, attempt: UInt8)
  /// The write is not stored, or not all of it.
  case refuse(WriteID, attempt: UInt8, WriteRefusal)

  /// The version of the form.
  package static let version: UInt8 = 1
  /// Bytes of a message beside frames, at most: with the most slots, none of which takes more than three.
  package static let overheadMax = 64 + 3 * SlotMap.countMax

  private enum Kind: UInt8 {
    case append = 1
    case acknowledge = 2
    case refuse = 3
  }

  private var kind: Kind {
    switch self {
    case .append: .append
    case .acknowledge: .acknowledge
    case .refuse: .refuse
    }
  }

  /// The byte form.
  package var encoded: [UInt8] {
    var size = 64
    if case .append(let append) = self { size += append.slots.count + append.frames.reduce(0) { $0 + $1.count } }
    var writer = ByteWriter(reserving: size)
    writer.append(MessageKind.write.rawValue)
    writer.append(Self.version)
    writer.append(kind.rawValue)
    switch self {
    case .append(let append): append.encode(to: &writer)
    case .acknowledge(let write, let attempt):
      writer.append(write.bits)
      writer.append(attempt)
    case .refuse(let write, let attempt, let refusal):
      writer.append(write.bits)
      writer.append(attempt)
      refusal.encode(to: &writer)
    }
    return writer.bytes
  }

  /// Reads a message; the frames stay where they are in `bytes`, and are yet to be checked.
  package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    let result = bytes.withUnsafeBytes { raw in
      Result { () throws(MalformedBytes) in try Self.read(raw, bytes) }
    }
    self = try result.get()
  }

  private static func read(_ raw: UnsafeRawBufferPointer, _ bytes: [UInt8]) throws(MalformedBytes) -> WriteMessage {
    var reader = ByteReader(raw)
    guard try reader.read(UInt8.self) == MessageKind.write.rawValue else { throw .invalid("no message about a write") }
    guard try reader.read(UInt8.self) == version else { throw .invalid("a version that is not known") }
    guard let kind = Kind(rawValue: try reader.read(UInt8.self)) else { throw .invalid("an unknown message") }
    let write = WriteID(try reader.readHash())
    let attempt = try reader.read(UInt8.self)
    let message: WriteMessage
    switch kind {
    case .append: message = .append(try WriteAppend(write, attempt: attempt, decoding: &reader, in: bytes))
    case .acknowledge: message = .acknowledge(write, attempt: attempt)
    case .refuse: message = .refuse(write, attempt: attempt, try WriteRefusal(decoding: &reader))
    }
    try reader.expectEnd()
    return message
  }
}
