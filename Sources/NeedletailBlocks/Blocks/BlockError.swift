import NeedletailEnvironment

/// A block, part or log file that could not be written or is not what was written.
package enum BlockError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong with the bytes of a file.
  package enum Damage: String, Sendable, Equatable {
    case truncated = "it ends too early"
    case magic = "it does not begin with the expected mark"
    case version = "its format version is unknown to this program"
    case length = "a length in it is impossible"
    case checksum = "its checksum does not match"
    case compression = "it does not decompress to what its header says"
    case content = "its content contradicts itself"
    case mismatch = "it is not what the catalog or the part header lists"
  }

  /// The file system refused.
  case file(FileError)
  /// The bytes of `path` at `offset` are not what was written.
  case damaged(path: String, offset: UInt64, Damage)
  /// More was to be written than one block holds.
  case tooLarge(path: String, bytes: Int, max: Int)

  package var description: String {
    switch self {
    case .file(let error): "\(error)"
    case .damaged(let path, let offset, let damage):
      "\(path) is damaged at byte \(offset): \(damage.rawValue). It is not served; restore it from another copy."
    case .tooLarge(let path, let bytes, let max):
      "a block of \(bytes) bytes was to be written to \(path); at most \(max) are allowed. Write smaller blocks."
    }
  }
}
