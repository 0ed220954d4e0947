import Foundation
import NeedletailProcesses

/// The real `gzip`.
enum Gzip {
  static func compressed(_ bytes: [UInt8]) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    let path = folder.path + "/body"
    try Data(bytes).write(to: URL(filePath: path))
    _ = try RunningProcess.run("gzip", [path])
    return Array(try Data(contentsOf: URL(filePath: path + ".gz")))
  }
}
