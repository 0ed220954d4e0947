import Foundation

/// The real `gzip`.
enum Gzip {
  static func compressed(_ bytes: [UInt8]) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let path = folder.path + "/body"
    try Data(bytes).write(to: URL(filePath: path))
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["gzip", path]
    try process.run()
    process.waitUntilExit()
    return Array(try Data(contentsOf: URL(filePath: path + ".gz")))
  }
}
