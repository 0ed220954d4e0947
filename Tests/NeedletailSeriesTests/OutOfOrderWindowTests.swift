import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("The out-of-order window")
struct OutOfOrderWindowTests {
  private static let minute: Int64 = 60_000
  private static let window = 30 * minute
  private static let tenants = [TenantID.default, TenantID("other")].compactMap { $0 }

  private func options(_ retention: SeriesRetention = .forever) -> SeriesEngineOptions {
    SeriesEngineOptions(
      retention: retention, outOfOrderMilliseconds: Self.window, blockBytes: 2048, mergeFanIn: 3,
      closedDayQuietMilliseconds: 0)
  }

  private func machine(_ retention: SeriesRetention = .forever, seed: UInt64 = 1) throws -> SeriesMachine {
    try SeriesMachine(FaultyFileSystem(seed: seed), options: options(retention))
  }

  /// Appends a sample at each time, of one of three series in turn; every third is a histogram where asked for.
  private func append(
    _ times: [Int64], to machine: SeriesMachine, tenant: TenantID = .default, histogram: NativeHistogram? = nil
  ) async throws -> SeriesAppendOutcome {
    var builder = SeriesBatchBuilder()
    var definitions = SeriesDefinitionsBuilder()
    for (number, time) in times.enumerated() {
      let labels = LabelSet(["__name__": "m", "i": "\(number % 3)"])
      let id = SeriesID(labels, tenant: tenant)
      definitions.append(id, labels: labels)
      builder.beginSeries(id)
      if number % 3 == 2, let histogram {
        builder.append(timestamp: time, histogram: histogram)
      } else {
        builder.append(timestamp: time, valueBits: UInt64(bitPattern: time))
      }
    }
    let batch = builder.build(tenant: tenant, batchID: Hash128(high: 1, low: UInt64(bitPattern: times[0])))
    return try await machine.append(try #require(batch), definitions.build(tenant: tenant))
  }

  private func times(_ machine: SeriesMachine, tenant: TenantID = .default) throws -> [Int64] {
    var cursor = try machine.engine.select(tenant: tenant, [], .all)
    let answer = try #require(try Answer(&cursor))
    return (answer.samples.values.flatMap(\.keys) + answer.histograms.values.flatMap(\.keys)).sorted()
  }

  @Test("takes what is no older than the newest sample of the tenant that came before the batch, less the window")
  func bounds() async throws {
    let machine = try machine()
    let now = machine.nowMilliseconds
    let first = try await append([now - 100 * Self.minute, now - 50 * Self.minute], to: machine)
    #expect(first == SeriesAppendOutcome(accepted: 2), "what comes first is held against nothing")
    let edge = now - 80 * Self.minute
    let second = try await append([now, edge, edge - 1], to: machine)
    #expect(second == SeriesAppendOutcome(accepted: 2, outOfWindow: 1, outOfOrder: 1))
    #expect(try await append([edge], to: machine) == SeriesAppendOutcome(outOfWindow: 1))
    #expect(try await append([edge], to: machine, tenant: Self.tenants[1]) == SeriesAppendOutcome(accepted: 1))
    #expect(machine.engine.acceptedTimes(at: now, tenant: .default).lowerBound == now - Self.window)
    #expect(machine.engine.statistics.samplesOutOfWindow == 2 && machine.engine.statistics.samplesOutOfRetention == 0)
    #expect(try times(machine) == [now - 100 * Self.minute, edge, now - 50 * Self.minute, now])
  }

  @Test("what is older than the retention is told apart from what is only older than the window")
  func reasons() async throws {
    let machine = try machine(.milliseconds(60 * Self.minute))
    let now = machine.nowMilliseconds
    _ = try await append([now], to: machine)
    let old = try await append([now - 61 * Self.minute, now - 31 * Self.minute, now - 29 * Self.minute], to: machine)
    #expect(old == SeriesAppendOutcome(accepted: 1, outOfRetention: 1, outOfWindow: 1))
  }

  @Test(
    "a sample from the future moves it no further than now, also when the clock steps back")
  func clocks() async throws {
    let machine = try machine()
    let ahead = machine.nowMilliseconds
    _ = try await append([ahead], to: machine)
    let now = ahead - 300 * Self.minute
    machine.clock.setWall(nanoseconds: now * 1_000_000)
    #expect(try await append([now], to: machine) == SeriesAppendOutcome(accepted: 1, outOfOrder: 1))
    #expect(try await append([now + 9 * Self.minute], to: machine).accepted == 1)
    let edge = now - Self.window
    #expect(try await append([edge], to: machine) == SeriesAppendOutcome(accepted: 1, outOfOrder: 1))
    #expect(try await append([edge - 1], to: machine) == SeriesAppendOutcome(outOfWindow: 1))
  }

  @Test(
    "refuses the same after flushes, merges, new starts and crashes, and a replay refuses what was refused",
    arguments: 1...20)
  func lives(seed: Int) async throws {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var machine = try machine(seed: UInt64(seed))
    var newest: [TenantID: Int64] = [:]
    var kept: [TenantID: Set<Int64>] = [:]
    for step in 0..<40 {
      switch generator.int(0...9) {
      case 0: _ = try machine.journal.flush()
      case 1: _ = try machine.engine.mergeParts()
      case 2: machine = try machine.reopen()
      case 3: machine = try machine.crash(generator.pick(CrashSurvival.allCases))
      default:
        machine.clock.advance(nanoseconds: Int64(generator.int(0...600)) * 1_000_000_000)
        let tenant = generator.pick(Self.tenants)
        let now = machine.nowMilliseconds
        let times = (0..<generator.int(1...6)).map { _ in now - Int64(generator.int(-10...90)) * Self.minute }
        let edge = newest[tenant].map { min($0, now) - Self.window } ?? .min
        let outcome = try await append(
          times, to: machine, tenant: tenant, histogram: generator.oneIn(2) ? generator.histogram() : nil)
        let taken = times.filter { $0 >= edge }
        #expect(
          outcome.accepted == taken.count && outcome.outOfWindow == times.count - taken.count, "seed \(seed) \(step)")
        kept[tenant, default: []].formUnion(taken)
        newest[tenant] = ((newest[tenant].map { [$0] } ?? []) + taken).max()
      }
      for tenant in Self.tenants {
        #expect(Set(try times(machine, tenant: tenant)) == kept[tenant] ?? [], "seed \(seed) \(step)")
      }
    }
  }
}
