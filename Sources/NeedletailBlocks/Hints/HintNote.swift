import NeedletailEnvironment
import NeedletailTelemetry

/// Slots in which a node misses what no hint will bring it, so that it has to be compared with others.
package struct HintNote: Equatable, Sendable {
  /// Whether it is not known which slots.
  package var isAll = false
  /// Ascending, none twice.
  package private(set) var slots: [UInt16] = []

  package init(_ slots: [UInt16] = [], isAll: Bool = false) {
    self.isAll = isAll
    self.slots = Set(slots).sorted()
  }

  package var isEmpty: Bool { !isAll && slots.isEmpty }

  package mutating func formUnion(_ other: HintNote) {
    isAll = isAll || other.isAll
    slots = Set(slots + other.slots).sorted()
  }

  // MARK: - Byte form

  private static let magic: UInt64 = 0x3152_4E48_544C_444E  // "NDLTHNR1"
  private static let version: UInt32 = 1
  static let bytesMax = 32 + 2 * SlotMap.countMax

  func encoded(seed: UInt64) -> [UInt8] {
    var writer = ByteWriter(reserving: 32 + 2 * slots.count)
    writer.append(Self.magic)
    writer.append(Self.version)
    writer.append(UInt32(isAll ? 1 : 0))
    writer.append(UInt32(truncatingIfNeeded: slots.count))
    for slot in slots { writer.append(slot) }
    writer.append(Checksum.of(writer.bytes, seed: seed))
    return writer.bytes
  }

  /// Throws where the bytes are not what was written.
  init(decoding bytes: [UInt8], seed: UInt64) throws(MalformedBytes) {
    let result = bytes.withUnsafeBytes { raw in
      Result { () throws(MalformedBytes) in try Self.read(raw, seed: seed) }
    }
    self = try result.get()
  }

  private static func read(_ raw: UnsafeRawBufferPointer, seed: UInt64) throws(MalformedBytes) -> HintNote {
    var reader = ByteReader(raw)
    guard try reader.read(UInt64.self) == magic else { throw .invalid("no note of hints") }
    guard try reader.read(UInt32.self) == version else { throw .invalid("a note of an unknown version") }
    let isAll = try reader.read(UInt32.self) == 1
    let count = Int(try reader.read(UInt32.self))
    guard count <= SlotMap.countMax, reader.remaining == 2 * count + 8 else { throw .invalid("a note's length") }
    var slots: [UInt16] = []
    for _ in 0..<count { slots.append(try reader.read()) }
    let sum = Checksum.of(UnsafeRawBufferPointer(rebasing: raw[..<reader.offset]), seed: seed)
    guard try reader.read(UInt64.self) == sum else { throw .invalid("a note's checksum does not match") }
    return HintNote(slots, isAll: isAll)
  }
}

extension HintLog {
  private static let noteName = "repair"

  /// What is durably noted.
  package var note: HintNote { state.withLock { $0.note } }

  /// Adds to what the node misses without a hint of it; it is durable when this returns.
  package func note(_ addition: HintNote) throws(FileError) {
    let before = note
    var all = before
    all.formUnion(addition)
    guard all != before else { return }
    try write(all)
  }

  /// Forgets the note: the node was compared in all these slots.
  package func clearNote() throws(FileError) {
    guard !note.isEmpty else { return }
    try write(HintNote())
  }

  private func write(_ note: HintNote) throws(FileError) {
    try fileSystem.replace(Self.noteName, in: folder, with: note.encoded(seed: seed))
    state.withLock { $0.note = note }
  }

  /// What the folder has noted; nil where that cannot be read.
  static func readNote(
    _ folder: String, seed: UInt64, on fileSystem: any FileSystem
  ) throws(FileError) -> HintNote? {
    let path = folder + "/" + noteName
    guard let status = try fileSystem.status(path) else { return HintNote() }
    guard status.size <= UInt64(HintNote.bytesMax) else { return nil }
    let bytes = try fileSystem.readAll(path, maxBytes: HintNote.bytesMax)
    return try? HintNote(decoding: bytes, seed: seed)
  }
}
