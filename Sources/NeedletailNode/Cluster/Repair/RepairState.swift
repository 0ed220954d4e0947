// What repair keeps on the node's own disk, so that it shares that disk's fate: docs/formats/cluster-state.md.

import NeedletailBlocks
import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// Which slots the node has all of, the newest assignment that it knows, and where the rounds go on.
struct RepairState: Equatable, Sendable {
  /// The newest assignment that the node knows; 0 for none.
  var epoch: UInt64 = 0
  /// That of the layout to which all records were brought.
  var settled: UInt64 = 0
  var cursor: AntiEntropy.Cursor?
  var records: [UInt16: ReplicaReadiness.Record] = [:]
  /// Checksums of what the log is known to have lost, ascending: the records lack what that was, or lacked it.
  var notedLosses: [UInt64] = []
  var owed: OwedLoss?

  private static let title: [UInt8] = Array("needletail repair ".utf8)
  /// Of the version before this one, which knew nothing of losses of the log.
  private static let oldEnd: [UInt8] = Array("1\n".utf8)
  private static let end: [UInt8] = Array("2\n".utf8)
  private static let nameBytesMax = 1024

  /// The file's bytes, for the disk of this identity.
  func encoded(_ identity: NodeIdentity) -> [UInt8] {
    var writer = ByteWriter(reserving: 64 + records.count * 16)
    writer.append(Self.title)
    writer.append(Self.end)
    writer.append(identity.bits)
    writer.append(epoch)
    writer.append(settled)
    writer.append(UInt8(cursor == nil ? 0 : 1))
    if let cursor {
      writer.append(cursor.slot)
      writer.appendPrefixed(cursor.partner.rawValue)
    }
    writer.appendVarint(UInt64(records.count))
    for (slot, record) in records.sorted(by: { $0.key < $1.key }) {
      writer.append(slot)
      writer.append(record.since)
      writer.appendVarint(UInt64(record.lacks.count))
      for range in record.lacks {
        writer.append(range.lowerBound)
        writer.append(range.upperBound)
      }
    }
    writer.appendVarint(UInt64(notedLosses.count))
    for loss in notedLosses { writer.append(loss) }
    writer.append(UInt8(owed == nil ? 0 : 1))
    if let owed {
      writer.append(owed.epoch)
      writer.append(owed.losses)
    }
    writer.append(Checksum.of(writer.bytes))
    return writer.bytes
  }

  /// What the bytes say; nil where they are not what was written, or of another disk.
  init?(_ bytes: [UInt8], of identity: NodeIdentity) {
    let sumBytes = MemoryLayout<UInt64>.size
    guard bytes.count > sumBytes else { return nil }
    let content = Array(bytes.dropLast(sumBytes))
    let sum = withUnsafeBytes(of: Checksum.of(content).littleEndian) { Array($0) }
    guard sum == Array(bytes.suffix(sumBytes)),
      let state = try? SelectionMessage.reading(
        content, { (reader) throws(MalformedBytes) in try Self.read(&reader, identity) })
    else { return nil }
    self = state
  }

  /// That of a new disk.
  init() {}

  /// Takes note of all that the log has lost so far, in words; returns whether there was anything new among it.
  mutating func noteLosses(_ losses: [String]) -> Bool {
    let sums = Set(losses.map { Checksum.of(Array($0.utf8)) })
    defer { notedLosses = sums.sorted() }
    return !sums.isSubset(of: notedLosses)
  }

  private static func read(
    _ reader: inout ByteReader, _ identity: NodeIdentity
  ) throws(MalformedBytes) -> RepairState {
    for byte in title where try reader.read(UInt8.self) != byte { throw .invalid("not a file of repair") }
    let version = [try reader.read(UInt8.self), try reader.read(UInt8.self)]
    guard version == end || version == oldEnd else { throw .invalid("a file of repair of another version") }
    guard NodeIdentity(try reader.readHash()) == identity else { throw .invalid("of another disk") }
    var state = RepairState()
    state.epoch = try reader.read()
    state.settled = try reader.read()
    if try reader.read(UInt8.self) == 1 {
      let slot: UInt16 = try reader.read()
      let name = try reader.readPrefixedString()
      guard name.utf8.count <= nameBytesMax else { throw .invalid("a name that is too long") }
      state.cursor = AntiEntropy.Cursor(slot: slot, partner: NodeID(name))
    }
    let count = try reader.readCount(elementBytes: 11)
    for _ in 0..<count {
      let (slot, since) = (try reader.read(UInt16.self), try reader.read(UInt64.self))
      var record = ReplicaReadiness.Record(since: since, lacks: [])
      for _ in 0..<(try reader.readCount(elementBytes: 16)) {
        let (first, last) = (try reader.read(Int64.self), try reader.read(Int64.self))
        guard first <= last else { throw .invalid("windows that end before they begin") }
        record.lacks.append(first...last)
      }
      state.records[slot] = record
    }
    if version == oldEnd {
      try reader.expectEnd()
      return state
    }
    for _ in 0..<(try reader.readCount(elementBytes: 8)) { state.notedLosses.append(try reader.read()) }
    if try reader.read(UInt8.self) == 1 {
      state.owed = OwedLoss(epoch: try reader.read(), losses: try reader.read())
    }
    try reader.expectEnd()
    return state
  }
}

/// The file of it, `cluster/repair` in the data folder.
///
/// Calls block.
struct RepairStateFile: Sendable {
  static let folderName = "cluster"
  private static let fileName = "repair"
  private static let bytesMax = 64 << 20

  /// The data folder.
  let folder: String
  let fileSystem: any FileSystem
  let identity: NodeIdentity

  private var place: String { folder + "/" + Self.folderName }

  /// What lies on the disk; that of a new disk where there is nothing, or nothing that can be believed.
  ///
  /// A node that knows nothing of what it has lacks everything until others filled it: that is safe, whatever happened.
  func load() -> (state: RepairState, isNew: Bool) {
    let path = place + "/" + Self.fileName
    guard let bytes = try? fileSystem.readAll(path, maxBytes: Self.bytesMax),
      let state = RepairState(bytes, of: identity)
    else { return (RepairState(), true) }
    return (state, false)
  }

  /// Puts the state in place of the one before.
  ///
  /// **Durability**: survives a power cut when it returns; before that the folder has the old file or the new one.
  func store(_ state: RepairState) throws(FileError) {
    if try fileSystem.status(place) == nil {
      try fileSystem.createDirectory(place)
      try fileSystem.syncDirectory(folder)
    }
    try fileSystem.replace(Self.fileName, in: place, with: state.encoded(identity))
  }
}
