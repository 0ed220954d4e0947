// What the way of a request costs from its compressed bytes to a batch, in nanoseconds of CPU a sample: remote write and
// OTLP metrics, with a resolver that knows every series (warm) and with an empty one (cold).
//
// NEEDLETAIL_BENCH=1 NEEDLETAIL_ONLY=DecodeBench swift run -c release DecodeBench [PASSES]

import NeedletailWire

let passes = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 40
print("ns of CPU a sample, best of \(passes)")
print("body                         B/sample  snappy  decode+frame  frame alone    cold")
for (series, samples) in [(2_000, 1), (2_000, 5), (10_000, 1)] {
  let fleet = (0..<4).map { RemoteWriteBody(first: $0 * series, series: series, samples: samples) }
  let stages = Stages(fleet.map(\.bytes), samples: series * samples, passes: passes, RemoteWriteDecoder.decode)
  print(stages.line("remote write \(series) x \(samples)"))
}
for series in [2_000, 10_000] {
  let fleet = (0..<4).map { OTLPMetricsBody(first: $0 * series, series: series) }
  let stages = Stages(fleet.map(\.bytes), samples: series, passes: passes, OTLPMetricsDecoder.decode)
  print(stages.line("OTLP gauges \(series) x 1"))
}
