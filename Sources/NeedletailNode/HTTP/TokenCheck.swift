import HummingbirdCore
import NeedletailEnvironment
import NeedletailTelemetry

/// The bearer tokens that are accepted.
///
/// Only hashes are kept, and every comparison takes the same time whether and where it differs.
struct TokenCheck: Sendable {
  private let hashes: [Hash128]
  private let seed: UInt64

  /// Reads tokens from a file.
  init(file path: String, fileSystem: any FileSystem, random: any RandomSource) throws(ConfigurationError) {
    let seed = random.next()
    self.seed = seed
    hashes = try Self.tokens(file: path, fileSystem: fileSystem).map { Self.hash($0, seed) }
  }

  /// The tokens of a file, at least one: one per line; empty lines and those that begin with `#` are skipped.
  ///
  /// All of them are accepted; the first is what a node shows to others.
  static func tokens(file path: String, fileSystem: any FileSystem) throws(ConfigurationError) -> [String] {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.readAll(path, maxBytes: 1 << 20)
    } catch {
      throw ConfigurationError(["token-file cannot be read: \(error)"])
    }
    let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { $0.drop { $0 == " " || $0 == "\t" } }
      .map { line in line.lastIndex { $0 != " " && $0 != "\t" }.map { line[...$0] } ?? "" }
      .filter { !$0.isEmpty && !$0.hasPrefix("#") }
    guard !lines.isEmpty else {
      throw ConfigurationError(["token-file \(path) holds no token; write at least one, each on a line of its own"])
    }
    if let short = lines.first(where: { $0.utf8.count < 16 }) {
      throw ConfigurationError([
        "token-file \(path) holds a token of \(short.utf8.count) characters; "
          + "use 16 or more, such as from openssl rand -hex 32"
      ])
    }
    return lines.map { String($0) }
  }

  /// Whether the value of an `Authorization` header carries an accepted token.
  func accepts(_ header: String?) -> Bool {
    guard let header, header.utf8.count <= 4096, header.prefix(7).lowercased() == "bearer " else { return false }
    let candidate = Self.hash(String(header.dropFirst(7)), seed)
    var isAccepted = false
    for hash in hashes {
      let difference = (hash.high ^ candidate.high) | (hash.low ^ candidate.low)
      isAccepted = isAccepted || difference == 0
    }
    return isAccepted
  }

  /// The hash is keyed by a number that never leaves this process, so that a client cannot steer what is compared.
  private static func hash(_ token: String, _ seed: UInt64) -> Hash128 {
    var token = token
    return token.withUTF8 { Hash128.of(UnsafeRawBufferPointer($0), seed: seed) }
  }
}
