import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// The folder `cluster` in a data folder: what the node must not forget of its cluster, and who it is there.
///
/// The identity is made with the folder. If the folder is lost, or taken away because something in it is damaged, the
/// node has another one, as with another disk: what it promised to the others and what it knew of its replicas is gone
/// with it, and they have to know.
struct ClusterFolder: Sendable {
  static let name = "cluster"

  enum Kind: UInt32 {
    case identity = 1
    case topology = 2
  }

  let fileSystem: any FileSystem
  let path: String
  let identity: NodeIdentity

  /// Opens the folder of a data folder, or makes it; blocks. Throws `ClusterFileError` or `FileError`.
  init(in dataFolder: String, on fileSystem: any FileSystem, random: any RandomSource) throws {
    let path = dataFolder + "/" + Self.name
    self.fileSystem = fileSystem
    self.path = path
    let file = ClusterFile(fileSystem: fileSystem, folder: path, name: "identity", kind: Kind.identity.rawValue)
    if let bytes = try file.read() {
      guard let bits = try? bytes.withReader({ reader throws(MalformedBytes) in try reader.readHash() }) else {
        throw ClusterFileError(path: path + "/identity")
      }
      identity = NodeIdentity(bits)
      return
    }
    // Whatever lies there was another identity's.
    try fileSystem.removeTree(path)
    try fileSystem.createDirectory(path)
    try fileSystem.syncDirectory(dataFolder)
    let bits = Hash128(high: random.next(), low: random.next())
    var writer = ByteWriter()
    writer.append(bits)
    try file.write(writer.bytes)
    identity = NodeIdentity(bits)
  }

  /// What the node knows and promised of the topology; blocks. Throws `ClusterFileError` or `FileError`.
  func topology() throws -> TopologyState {
    guard let bytes = try file(.topology).read() else { return TopologyState() }
    // The file's own checksum was right.
    guard let state = try? TopologyState(decoding: bytes) else {
      throw ClusterFileError(path: path + "/topology", reason: .unknownForm)
    }
    return state
  }

  /// A file of the folder.
  func file(_ kind: Kind) -> ClusterFile {
    ClusterFile(fileSystem: fileSystem, folder: path, name: "\(kind)", kind: kind.rawValue)
  }
}
