import Foundation

/// The files of the repository as text, read once for all checks.
struct Repository: CustomStringConvertible {
  struct File: CustomStringConvertible {
    /// The path from the repository's root.
    let path: String
    let text: String
    let byteCount: Int

    var description: String { path }

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    /// The target that a file under Sources or Tests belongs to.
    var target: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
  }

  let files: [File]

  /// Short, so that a failed expectation does not print the whole repository.
  var description: String { "\(files.count) files" }

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  static let shared = Repository()

  private init() {
    let skipped: Set<String> = [".build", ".git", ".swiftpm", "needletail-data"]
    var found: [File] = []
    let keys: [URLResourceKey] = [.isRegularFileKey]
    let walk = FileManager.default.enumerator(at: Self.root, includingPropertiesForKeys: keys)
    while let url = walk?.nextObject() as? URL {
      if skipped.contains(url.lastPathComponent) || url.lastPathComponent.hasPrefix(".build-") {
        walk?.skipDescendants()
        continue
      }
      guard (try? url.resourceValues(forKeys: Set(keys)))?.isRegularFile == true,
        let data = try? Data(contentsOf: url)
      else { continue }
      let path = String(url.path(percentEncoded: false).dropFirst(Self.root.path(percentEncoded: false).count))
      found.append(File(path: path, text: String(decoding: data, as: UTF8.self), byteCount: data.count))
    }
    files = found.sorted { $0.path < $1.path }
  }

  /// Swift sources under a top-level folder, without generated ones.
  func swift(in folder: String) -> [File] {
    files.filter { $0.path.hasPrefix(folder + "/") && $0.path.hasSuffix(".swift") && !$0.path.hasSuffix(".pb.swift") }
  }

  func file(_ path: String) -> File? { files.first { $0.path == path } }
}
