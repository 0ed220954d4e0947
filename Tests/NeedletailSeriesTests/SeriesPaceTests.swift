import NeedletailBlocks
import NeedletailEnvironment
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailSeries

@Suite("A merge of series that keeps to a pace")
struct SeriesPaceTests {
  private let up = LabelSet(["__name__": "up", "job": "a"])

  private func batch(_ times: [Int64]) throws -> SeriesBatch {
    var builder = SeriesBatchBuilder()
    builder.beginSeries(SeriesID(up, tenant: .default))
    for time in times { builder.append(timestamp: time, valueBits: 7) }
    let built = builder.build(tenant: .default, batchID: Hash128(high: 1, low: UInt64(times.count)))
    return try #require(built)
  }

  private func definitions() throws -> SeriesDefinitions {
    var builder = SeriesDefinitionsBuilder()
    builder.append(SeriesID(up, tenant: .default), labels: up)
    let built = builder.build(tenant: .default)
    return try #require(built)
  }

  /// A machine with three parts of `up`, a thousand samples each.
  private func threeParts() async throws -> SeriesMachine {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    for part in 0..<3 {
      let times = (0..<1000).map { machine.nowMilliseconds - Int64(part * 1000 + $0) }
      _ = try await machine.append(batch(times.reversed()), definitions())
      _ = try machine.journal.flush()
    }
    return machine
  }

  private func count(_ engine: SeriesEngine) throws -> Int {
    var cursor = try engine.select(tenant: .default, [], .all)
    return try #require(try Answer(&cursor)).samples.values.reduce(0) { $0 + $1.count }
  }

  @Test("pauses hold up no append, query, flush, deletion or retention")
  func holdsNobodyUp() async throws {
    let machine = try await threeParts()
    let (engine, journal, clock) = (machine.engine, machine.journal, machine.clock)
    let (fresh, labels) = (try batch([machine.nowMilliseconds + 1]), try CheckedDefinitions(definitions()))
    let isDone = Lock(false)
    let pace = PacedWork(WorkLimits(bytesPerSecond: 10_000), clock: clock) { slice in
      clock.advance(nanoseconds: slice)
      let isFirst = isDone.withLock { isDone in
        defer { isDone = true }
        return !isDone
      }
      guard isFirst else { return }
      // On the thread of the merge, in the middle of a pause: a lock that it holds would never be given to these.
      do {
        let appended = try journal.append { try engine.logAndApply(fresh, labels, &$0) }
        journal.commitPending()
        #expect(appended.result.accepted == 1)
        #expect(try count(engine) == 3001)
        #expect(try journal.flush().parts.count == 1)
        #expect(try engine.enforceRetention(now: machine.nowMilliseconds).isEmpty)
        let other = try engine.delete(tenant: .default, [LabelMatcher("job", equals: "other")], .all)
        #expect(other.isEmpty && engine.statistics.parts == 4)
      } catch {
        Issue.record(error)
      }
    }
    #expect(try engine.mergeParts(at: pace) == 2)
    #expect(isDone.withLock { $0 } && pace.statistics.pausedNanoseconds > 0)
    #expect(try count(engine) == 3001)
    let read = try machine.catalog.list(.series).reduce(UInt64(0)) { max($0, $1.bytes) }
    #expect(pace.statistics.bytes > read, "what is read and what is written is counted")
  }

  @Test("a stop in the middle of a pause ends the merge and leaves its parts as they were")
  func stops() async throws {
    let machine = try await threeParts()
    let engine = machine.engine
    let pauses = Lock(0)
    // The clock stands still: the pause would never end.
    let pace = PacedWork(WorkLimits(bytesPerSecond: 1000), clock: machine.clock) { _ in
      pauses.withLock { $0 += 1 }
      withUnsafeCurrentTask { $0?.cancel() }
    }
    let task = Task { () -> SeriesMaintenanceError? in
      do throws(SeriesMaintenanceError) {
        _ = try engine.mergeParts(at: pace)
        return nil
      } catch { return error }
    }
    #expect(await task.value == .cancelled)
    #expect(pauses.withLock { $0 } == 1 && engine.statistics.parts == 3)
    let listed = try machine.catalog.list(.series).map(\.id.folderName)
    #expect(try machine.disk.list("/data/parts").map(\.name).sorted() == listed.sorted())
    #expect(try engine.mergeParts() == 2)
  }
}
