import NeedletailBlocks
import NeedletailEnvironment
import NeedletailTelemetry

/// A small file in which a node keeps something that it must not forget (docs/formats/cluster-state.md).
///
/// It is there as a whole or not at all: the bytes are written beside it, synced and renamed.
struct ClusterFile: Sendable {
  private static let magic: UInt64 = 0x3145_5453_544C_444E  // "NDLTSTE1"
  /// Magic, kind, length, and the checksum at the end.
  private static let overhead = 8 + 4 + 4 + 8
  private static let bytesMax = 64 << 20

  let fileSystem: any FileSystem
  let folder: String
  let name: String
  /// What it holds, so that no file is taken for another.
  let kind: UInt32

  private var path: String { folder + "/" + name }

  /// What was kept last; nil where nothing ever was. Throws `ClusterFileError` where the file is damaged.
  func read() throws -> [UInt8]? {
    guard let status = try fileSystem.status(path) else { return nil }
    guard status.kind == .file, status.size <= UInt64(Self.bytesMax) else { throw ClusterFileError(path: path) }
    let bytes = try fileSystem.readAll(path, maxBytes: Self.bytesMax)
    let content = bytes.withUnsafeBytes { raw -> [UInt8]? in
      var reader = ByteReader(raw)
      guard raw.count >= Self.overhead, (try? reader.read(UInt64.self)) == Self.magic,
        (try? reader.read(UInt32.self)) == kind, let length = try? reader.read(UInt32.self),
        Int(length) == raw.count - Self.overhead, let content = try? reader.read(count: Int(length)),
        (try? reader.read(UInt64.self)) == Checksum.of(UnsafeRawBufferPointer(rebasing: raw.dropLast(8)))
      else { return nil }
      return Array(content)
    }
    guard let content else { throw ClusterFileError(path: path) }
    return content
  }

  /// Keeps these bytes in place of what was kept before.
  ///
  /// **Durability**: survives a power cut when it returns; before that the file is the old one or none.
  func write(_ content: [UInt8]) throws(FileError) {
    var writer = ByteWriter(reserving: content.count + Self.overhead)
    writer.append(Self.magic)
    writer.append(kind)
    writer.append(UInt32(clamping: content.count))
    writer.append(content[...])
    writer.append(Checksum.of(writer.bytes))
    try fileSystem.createDirectory(folder)
    try fileSystem.replace(name, in: folder, with: writer.bytes)
  }
}

/// A file of the cluster's state that this program cannot go by.
struct ClusterFileError: Error, CustomStringConvertible {
  enum Reason {
    /// It is not what was written.
    case damaged
    /// It is what was written, by a program that writes it in another form.
    case unknownForm
  }

  let path: String
  var reason = Reason.damaged

  var description: String {
    switch reason {
    case .damaged:
      "\(path) is damaged. What it held the other nodes know: stop this node, move the folder \"cluster\" in its data "
        + "folder away, keep it, and start the node again; it is then filled from its replicas before it counts. Do so "
        + "with one node at a time, while the others are whole: what most members knew exists nowhere else"
    case .unknownForm:
      "\(path) is whole, but of a form that this program does not know: a newer one wrote it. Start the node with that "
        + "program. Leave the file where it is: without it the node would be one with a new disk"
    }
  }
}
