import Testing

@Suite("Replicated writes against a model of every slot") struct WriteTrialTests {
  @Test("do at every event what the model would", arguments: 0..<20 as Range<UInt64>)
  func trials(block: UInt64) {
    var outcomes: [String: Int] = [:]
    for seed in block * 10..<block * 10 + 10 {
      let trial = WriteTrial.run(seed: seed)
      #expect(trial.violations.isEmpty, "seed \(seed): \(trial.violations.first ?? "")")
      outcomes.merge(trial.outcomes, uniquingKeysWith: +)
    }
    #expect(outcomes["acknowledged", default: 0] > 20 && outcomes["unavailable", default: 0] > 20, "\(outcomes)")
  }
}
