import ArgumentParser
import Foundation
import NeedletailBlocks
import NeedletailEnvironment
import Testing

@testable import NeedletailCLI

/// A folder that is removed with the value that made it.
private final class ScratchFolder {
  let path = FileManager.default.temporaryDirectory.appending(path: "needletail-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite("Commands on data folders")
struct StorageCommandTests {
  /// Makes an empty data folder.
  private func makeFolder(_ path: String) throws {
    let folder = try DataFolder.open(
      path, on: PosixFileSystem(), random: SystemRandomSource(), holder: "a test",
      openCatalog: { path throws(CatalogError) in try SQLiteCatalog(path: path) })
    folder.close()
  }

  /// How a verification ends: its status, and what it says where it cannot be made.
  private func verify(_ path: String) async throws -> (status: Int32, message: String) {
    do {
      try await StorageVerifyCommand.parse([path]).run()
      return (0, "")
    } catch let failure as CommandFailure {
      return (failure.code, failure.message)
    } catch let code as ExitCode {
      return (code.rawValue, "")
    }
  }

  @Test("a verification ends with 0 where all is well, 1 for damage, and 2 where nothing can be said")
  func statuses() async throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/data"
    let missing = try await verify(path)
    #expect(missing.status == 2 && missing.message.contains("it is no data folder"), "\(missing)")
    // Somebody else's folder, which has a log too.
    let other = scratch.path + "/other"
    try FileManager.default.createDirectory(atPath: other + "/log", withIntermediateDirectories: true)
    try Data("x".utf8).write(to: URL(fileURLWithPath: other + "/log/system.log"))
    #expect(try await verify(other).message.contains("it is no data folder"))
    await #expect(throws: CommandFailure.self) { try await StorageRepairCommand.parse([other]).run() }
    #expect(try FileManager.default.contentsOfDirectory(atPath: other) == ["log"])
    try makeFolder(path)
    #expect(try await verify(path).status == 0)
    let identity = try PosixFileSystem().open(path + "/identity", .readWrite)
    try identity.truncate(to: 10)
    identity.close()
    #expect(try await verify(path).status == 1)
  }

  @Test("a folder of another version is neither verified nor repaired, and that is said")
  func otherVersion() async throws {
    let scratch = try ScratchFolder()
    let path = scratch.path + "/data"
    try makeFolder(path)
    try SQLiteCatalog(path: path + "/catalog.sqlite").set(.layoutVersion, to: "7")
    let (status, message) = try await verify(path)
    #expect(status == 2 && message.contains("another version") && message.contains("layout version 7"), "\(message)")
    for extra in [[], ["--dry-run"]] {
      await #expect {
        try await StorageRepairCommand.parse([path] + extra).run()
      } throws: { error in
        (error as? CommandFailure)?.code == 1
          && (error as? CommandFailure)?.message.contains("layout version 7") == true
      }
    }
    #expect(try PosixFileSystem().status(path + "/quarantine") == nil)
  }

  @Test("one of a thing is told as one")
  func counts() {
    #expect(
      Counted.text(1, "part") == "1 part" && Counted.text(0, "part") == "0 parts" && Counted.text(2, "a") == "2 as")
    var verification = StorageVerification()
    (verification.parts, verification.blocks, verification.records) = (1, 1, 1)
    let read = "1 part with 1 whole block, 1 record of the log"
    #expect(StorageReport.conclusion(verification).string == "every checksum holds: " + read)
    verification.damages = [StorageDamage(path: "a", reason: "b")]
    #expect(StorageReport.conclusion(verification).string == "1 damage; read: " + read)
    verification.damages.append(StorageDamage(path: "c", reason: "d"))
    #expect(StorageReport.conclusion(verification).string.hasPrefix("2 damages; read: "))
  }
}
