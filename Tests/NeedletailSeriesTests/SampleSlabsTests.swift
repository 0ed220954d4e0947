import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@testable import NeedletailSeries

@Suite("Chains of samples in a head")
struct SampleSlabsTests {
  /// What a chain should hold, in order of arrival.
  private struct Model {
    var times: [Int64] = []
    var values: [UInt64] = []
    var latest: Int64?
    var isUnordered = false

    mutating func append(_ time: Int64, _ bits: UInt64) {
      if let last = times.last, time == last {
        values[values.count - 1] = SampleRule.winner(values[values.count - 1], bits)
        return
      }
      if let latest, time <= latest { isUnordered = true }
      latest = max(latest ?? time, time)
      times.append(time)
      values.append(bits)
    }
  }

  @Test("chains keep all samples in order of arrival and know their times to the millisecond", arguments: 1...12)
  func model(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var slabs = SampleSlabs()
    var chains = [SampleChain](repeating: SampleChain(), count: 60)
    var models = [Model](repeating: Model(), count: chains.count)
    // The last step is more than the 49 days that a chain notes of itself.
    let steps: [Int64] = [1, 15_000, 15_000, 15_000, 86_400_000, 1 << 31, 1 << 32 - 2, 1 << 32 - 1, 5_000_000_000]
    for _ in 0..<6_000 {
      // The first chains are long, the last ones short.
      let index = generator.int(0...generator.int(0...chains.count - 1))
      let latest = models[index].latest ?? 1_700_000_000_000
      let step = generator.pick(generator.oneIn(20) ? steps : [1, 15_000])
      let time = generator.oneIn(index % 3 == 0 ? 5 : 1_000) ? latest - step + 1 : latest + step
      let bits = UInt64(generator.int(0...1_000))
      _ = slabs.append(time, bits, to: &chains[index])
      models[index].append(time, bits)
    }
    for (chain, model) in zip(chains, models) {
      #expect(chain.isEmpty == model.times.isEmpty, "seed \(seed)")
      guard let earliest = model.times.min(), let latest = model.latest else { continue }
      #expect(slabs.minTime(chain) == earliest && chain.maxTime == latest, "seed \(seed)")
      #expect(chain.isUnordered == model.isUnordered, "seed \(seed)")
      var columns = SampleColumns()
      slabs.collect(chain, from: .min, to: .max, into: &columns)
      #expect(columns.timestamps == model.times && columns.values == model.values, "seed \(seed)")
      let middle = earliest + (latest - earliest) / 2
      var half = SampleColumns()
      slabs.collect(chain, from: middle, to: latest, into: &half)
      #expect(half.timestamps == model.times.filter { $0 >= middle }, "seed \(seed)")
    }
  }

  @Test("a chain at the ends of time knows its earliest sample")
  func ends() {
    var slabs = SampleSlabs()
    var chain = SampleChain()
    for time in [0, Int64.max, Int64.min, 5] {
      _ = slabs.append(time, 1, to: &chain)
    }
    #expect(slabs.minTime(chain) == .min && chain.maxTime == .max && chain.isUnordered)
  }

  @Test("a state is 24 bytes, and its marks do not touch each other")
  func states() {
    #expect(MemoryLayout<SeriesState>.stride == 24)
    var state = SeriesState()
    state.logged = SeriesStates.marker(32_766)
    #expect(state.logged == 32_767 && !state.isActive)
    state.isActive = true
    #expect(state.logged == 32_767 && state.isActive)
    state.logged = 0
    #expect(state.logged == 0 && state.isActive)
    #expect(SeriesStates.marker(0) == 1 && SeriesStates.marker(32_767) == 1)
  }
}
