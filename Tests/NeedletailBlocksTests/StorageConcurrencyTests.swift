import NeedletailEnvironment
import Testing

@testable import NeedletailBlocks

/// The real disk, the real catalog, the real thread.
@Suite("Storage that many use at once")
struct StorageConcurrencyTests {
  @Test(
    "Many tasks append at once; all that was awaited is there after a restart, through log and parts",
    arguments: [
      Durability.fsync, .interval(seconds: 1),
    ])
  func concurrentAppends(durability: Durability) async throws {
    try await withScratchFolder { path in
      let folder = try DataFolderTests().open(path)
      let engine = try TestEngine(folder)
      let options = JournalOptions(durability: durability, segmentBytes: 16_384)
      let (journal, _) = try folder.startJournal(participants: [engine], clock: SystemClock(), options: options)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for task in UInt64(0)..<8 {
          group.addTask {
            for step in UInt64(0)..<25 {
              let number = task * 1000 + step
              let position = try journal.append { transaction in
                try transaction.log(.series(1), TestRecord.bytes(number))
                engine.state.withLock { $0.head.append(number) }
              }.position
              try await journal.awaitDurable(position)
            }
          }
        }
        group.addTask { _ = try journal.flush() }
        try await group.waitForAll()
      }
      #expect(engine.all.count == 200)
      #expect(journal.pendingBytes == 0 || durability != .fsync)
      journal.close()
      #expect(throws: JournalError.closed) { try journal.append { _ in } }
      folder.close()
      let again = try DataFolderTests().open(path)
      let restarted = try TestEngine(again)
      let (second, report) = try again.startJournal(participants: [restarted], clock: SystemClock())
      #expect(restarted.all == engine.all)
      #expect(report.damages.isEmpty && report.tornTail == nil)
      _ = try second.flush()
      #expect(try PosixFileSystem().list(path + "/data/log").isEmpty)
      second.close()
      again.close()
    }
  }

  @Test("Of two connections and several tasks that commit at once every commit that returned is there, whole")
  func contention() async throws {
    try await withScratchFolder { folder in
      let path = folder + "/catalog.sqlite"
      let records = SQLiteCatalogTests()
      let catalogs = [try SQLiteCatalog(path: path), try SQLiteCatalog(path: path)]
      let refusals = try await withThrowingTaskGroup(of: Int.self) { group in
        for task in 0..<4 as Range<UInt64> {
          group.addTask {
            let catalog = catalogs[Int(task % 2)]
            var refusals = 0
            for step in 0..<25 as Range<UInt64> {
              let first = task * 100 + step * 2 + 1
              let pair = [records.record(first), records.record(first + 1)]
              while true {
                do throws(CatalogError) {
                  try catalog.commit(adding: pair, removing: [], flushedThroughGeneration: first)
                  break
                } catch {
                  guard error.message.contains("database is locked") else { throw error }
                  refusals += 1
                  await Task.yield()
                }
              }
            }
            return refusals
          }
        }
        return try await group.reduce(0, +)
      }
      let expected = (0..<4 as Range<UInt64>).flatMap { task in (1...50).map { records.record(task * 100 + $0) } }
      for catalog in catalogs + [try SQLiteCatalog(path: path)] {
        #expect(try catalog.list(.logs) == expected, "\(refusals) refusals")
        #expect(try catalog.nextPartID() == PartID(351))
        #expect(try catalog.flushedThroughGeneration() == 349)
      }
    }
  }
}
