import NeedletailBlocks
import NeedletailSimulation
import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

/// A batch of one sample for each of some series of the default tenant.
private func batch(_ samples: [(labels: LabelSet, time: Int64, value: Double)]) throws -> SeriesBatch {
  var builder = SeriesBatchBuilder()
  for sample in samples {
    builder.beginSeries(SeriesID(sample.labels, tenant: .default))
    builder.append(timestamp: sample.time, valueBits: sample.value.bitPattern)
  }
  let built = builder.build(tenant: .default, batchID: Hash128(high: 1, low: 2))
  return try #require(built)
}

private func definitions(_ sets: [LabelSet], metrics: [String: MetricMetadata] = [:]) throws -> SeriesDefinitions {
  var builder = SeriesDefinitionsBuilder()
  for labels in sets { builder.append(SeriesID(labels, tenant: .default), labels: labels) }
  for (name, description) in metrics { builder.append(metric: name, description) }
  let built = builder.build(tenant: .default)
  return try #require(built)
}

@Suite("The series engine")
struct SeriesEngineTests {
  let up = LabelSet(["__name__": "up", "job": "a"])
  let down = LabelSet(["__name__": "down", "job": "b"])

  @Test("a batch that names unknown series is refused whole and logs nothing")
  func unknownSeries() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 1))
    let now = machine.nowMilliseconds
    let both = try batch([(up, now, 1), (down, now, 2)])
    await #expect(throws: SeriesEngineError.unknownSeries([SeriesID(down, tenant: .default)])) {
      _ = try await machine.append(both, definitions([up]))
    }
    #expect(try read(machine) == Answer())
    #expect(machine.journal.pendingBytes == 0)
    #expect(try machine.engine.series(tenant: .default, [], .all).elements.isEmpty)
    #expect(machine.engine.statistics.batchesOfUnknownSeries == 1)
  }

  @Test("series of the generation before are known without definitions, and are logged anew")
  func knownAfterFlush() async throws {
    var machine = try SeriesMachine(FaultyFileSystem(seed: 2))
    let now = machine.nowMilliseconds
    _ = try await machine.append(batch([(up, now, 1)]), definitions([up]))
    _ = try machine.journal.flush()
    _ = try await machine.append(batch([(up, now + 1, 2)]), nil)
    machine = try machine.crash(.syncedOnly)
    #expect(machine.report.refusals.isEmpty)
    #expect(try read(machine).samples[up]?.count == 2)
    _ = try await machine.append(batch([(up, now + 2, 3)]), nil)
    #expect(try read(machine).samples[up]?.count == 3)
  }

  @Test("samples out of retention or too far in the future are counted, and the rest is kept")
  func bounds() async throws {
    let options = SeriesEngineOptions(retention: .milliseconds(3_600_000))
    var machine = try SeriesMachine(FaultyFileSystem(seed: 3), options: options)
    let now = machine.nowMilliseconds
    let outcome = try await machine.append(
      batch([
        (up, now - 3_600_001, 1), (up, now - 3_600_000, 2), (up, now, 3), (up, now + 600_000, 4),
        (up, now + 600_001, 5), (up, .max, 6), (up, .min, 7),
      ]), definitions([up]))
    #expect(outcome == SeriesAppendOutcome(accepted: 3, outOfRetention: 2, tooFarInFuture: 2))
    #expect(try read(machine).samples[up]?.count == 3)
    machine.clock.advance(nanoseconds: 1_200_000_000_000)
    #expect(try read(machine).samples[up]?.count == 2)
    machine = try machine.crash(.syncedOnly)
    #expect(try read(machine).samples[up]?.count == 2, "a replay lets nothing in that was refused")
    #expect(try read(machine).samples[up]?[now + 600_001] == nil)
  }

  @Test("retention removes the parts that are wholly outside, and only those")
  func retention() async throws {
    let options = SeriesEngineOptions(retention: .milliseconds(3 * 86_400_000))
    let machine = try SeriesMachine(FaultyFileSystem(seed: 4), options: options)
    let now = machine.nowMilliseconds
    for day in 0..<3 {
      _ = try await machine.append(batch([(up, now - Int64(day) * 86_400_000, 1)]), definitions([up]))
    }
    _ = try machine.journal.flush()
    #expect(machine.engine.statistics.parts == 3)
    #expect(try machine.engine.enforceRetention(now: now + 1000 * 86_400_000).isEmpty, "the clock is ahead of all")
    machine.clock.advance(nanoseconds: 2 * 86_400_000_000_000)
    #expect(try read(machine).samples[up]?.count == 2)
    _ = try await machine.append(batch([(up, machine.nowMilliseconds, 1)]), definitions([up]))
    _ = try machine.journal.flush()
    machine.catalog.failNextCommit(.after)
    let removed = try machine.engine.enforceRetention(now: machine.nowMilliseconds)
    #expect(removed.count == 1)
    #expect(try machine.catalog.list(.series).count == 3)
    #expect(try read(machine).samples[up]?.count == 3)
    #expect(try machine.reopen().engine.statistics.parts == 3)
  }

  @Test("a retention of for ever takes 1970 and before")
  func forever() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 5))
    _ = try await machine.append(batch([(up, 0, 1), (up, -1, 2), (up, .min, 3)]), definitions([up]))
    _ = try machine.journal.flush()
    #expect(try read(machine).samples[up]?.count == 3)
    #expect(try machine.engine.enforceRetention(now: machine.nowMilliseconds).isEmpty)
  }

  @Test("exemplars and metadata come back, once each, out of head, log and parts")
  func exemplarsAndMetadata() async throws {
    var machine = try SeriesMachine(FaultyFileSystem(seed: 6))
    let now = machine.nowMilliseconds
    let exemplar = Exemplar(timestampMilliseconds: now, value: 0.25, labels: LabelSet(["trace_id": "abc"]))
    var builder = SeriesBatchBuilder()
    builder.beginSeries(SeriesID(up, tenant: .default), startTimestamp: now - 5)
    builder.append(timestamp: now, valueBits: 1)
    builder.append(exemplar: exemplar)
    builder.append(exemplar: exemplar)
    let built = builder.build(tenant: .default, batchID: Hash128(high: 0, low: 0))
    let one = try #require(built)
    let metadata = MetricMetadata(kind: .gauge, unit: "1", help: "whether it is up")
    _ = try await machine.append(one, definitions([up], metrics: ["up": metadata]))
    for step in 0..<4 {
      let found = try machine.engine.exemplars(tenant: .default, [LabelMatcher("job", equals: "a")], .all)
      #expect(found.elements.map(\.exemplar) == [exemplar], "step \(step)")
      #expect(found.elements.map(\.labels) == [up])
      #expect(try machine.engine.exemplars(tenant: .default, [LabelMatcher("job", equals: "x")], .all).elements.isEmpty)
      #expect(machine.engine.metadata(tenant: .default).map(\.metadata) == [metadata])
      var cursor = try machine.engine.select(tenant: .default, [], .all)
      #expect(try cursor.next()?.starts.start(of: 0) == now - 5)
      if step == 1 { _ = try machine.journal.flush() } else { machine = try machine.reopen() }
    }
  }

  @Test("limits end a query with a typed error")
  func limits() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 7))
    let now = machine.nowMilliseconds
    _ = try await machine.append(batch([(up, now, 1), (down, now, 2)]), definitions([up, down]))
    #expect(throws: SeriesQueryError.tooManySeries(limit: 1)) {
      _ = try machine.engine.select(tenant: .default, [], .all, limits: SeriesQueryLimits(seriesMax: 1))
    }
    var cursor = try machine.engine.select(tenant: .default, [], .all, limits: SeriesQueryLimits(samplesMax: 1))
    #expect(throws: SeriesQueryError.tooManySamples(limit: 1)) { _ = try cursor.next() }
  }

  @Test("shares of a selection are its series, one share behind the other", arguments: [2, 63, 100, 700, 2_000])
  func shares(count: Int) async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 4))
    let now = machine.nowMilliseconds
    for round in 0..<2 {
      var builder = SeriesBatchBuilder()
      var definitions = SeriesDefinitionsBuilder()
      for index in round * count / 3..<count {
        let labels = LabelSet(["__name__": "m", "series": "\(index)"])
        let id = SeriesID(labels, tenant: .default)
        builder.beginSeries(id)
        builder.append(timestamp: now - 1000 + Int64(round), valueBits: UInt64(index))
        definitions.append(id, labels: labels)
      }
      let built = builder.build(tenant: .default, batchID: Hash128(high: 8, low: UInt64(round)))
      let batch = try #require(built)
      _ = try await machine.append(batch, definitions.build(tenant: .default))
      if round == 0 { _ = try machine.journal.flush() }
    }
    func samples(_ cursor: SeriesCursor) throws -> [String] {
      var cursor = cursor
      var found: [String] = []
      while let chunk = try cursor.next() {
        for series in 0..<chunk.seriesCount {
          found.append("\(chunk.labels(series)) \(chunk.samples(series).map { chunk.valueBits[$0] })")
        }
      }
      return found
    }
    let cursor = try machine.engine.select(tenant: .default, [], .all)
    let whole = try samples(cursor)
    #expect(whole.count == count)
    for most in [1, 2, 3, 64] {
      let shares = cursor.shares(most)
      #expect(shares.count == (min(most, count) > 1 ? min(most, count) : 0))
      if !shares.isEmpty { #expect(try shares.flatMap(samples) == whole) }
    }
    for kept in [[], ["series"], ["none"], ["series", "__name__"], ["__name__"]] {
      let some = try samples(machine.engine.select(tenant: .default, [], .all, keeping: kept))
      // The name stands ahead of the braces.
      let wanted = whole.map { kept.contains("__name__") ? $0 : String($0.dropFirst()) }
      #expect(some.count == count)
      if kept.contains("series") { #expect(some.elementsEqual(wanted), "\(kept)") }
      #expect(kept.contains("series") || some.allSatisfy { !$0.contains("series") })
    }
  }

  @Test("a cancelled task gets no further chunk")
  func cancellation() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 8))
    _ = try await machine.append(batch([(up, machine.nowMilliseconds, 1)]), definitions([up]))
    let engine = machine.engine
    let task = Task { () -> SeriesQueryError? in
      withUnsafeCurrentTask { $0?.cancel() }
      do throws(SeriesQueryError) {
        var cursor = try engine.select(tenant: .default, [], .all)
        _ = try cursor.next()
        return nil
      } catch { return error }
    }
    #expect(await task.value == .cancelled)
  }

  @Test("a full head refuses appends until a flush made room")
  func fullHead() async throws {
    let options = SeriesEngineOptions(retention: .forever, headBytesMax: 1 << 20)
    let machine = try SeriesMachine(FaultyFileSystem(seed: 9), options: options)
    let now = machine.nowMilliseconds
    _ = try await machine.append(batch([(up, now, 1)]), definitions([up]))
    do {
      _ = try await machine.append(batch([(up, now + 1, 1)]), nil)
      Issue.record("a head over its limit took a batch")
    } catch let error as SeriesEngineError {
      guard case .overloaded = error else { throw error }
    }
    _ = try machine.journal.flush()
    _ = try await machine.append(batch([(up, now + 1, 1)]), nil)
    #expect(try read(machine).samples[up]?.count == 2)
  }

  @Test("a slot's series are listed in the part")
  func slots() async throws {
    let machine = try SeriesMachine(FaultyFileSystem(seed: 10))
    let now = machine.nowMilliseconds
    let sets = (0..<300).map { LabelSet(["__name__": "m", "i": "\($0)"]) }
    _ = try await machine.append(batch(sets.map { ($0, now, 1) }), definitions(sets))
    _ = try machine.journal.flush()
    let parts = machine.engine.state.withLock { $0.parts }
    let index = PartIndex(try #require(parts.first))
    var reader = PartSeriesReader(index)
    var found = 0
    for slot in 0..<SlotMap.defaultCount {
      for series in try index.series(inSlot: UInt16(slot)) {
        #expect(SlotMap.standard.slot(of: try reader.id(series)) == UInt16(slot))
        found += 1
      }
    }
    #expect(found == sets.count)
  }
}
