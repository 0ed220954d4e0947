// What it costs a sample to be brought to its replicas' parts: for three nodes, which get the batch itself, and for five.
//
// NEEDLETAIL_BENCH=1 swift run -c release SplitBench

import NeedletailCluster
import NeedletailCollector
import NeedletailEnvironment
import NeedletailTelemetry

let clock = SystemClock()

/// A batch of one sample a series, as most are.
func batch(rows: Int, seed: UInt64) -> SeriesBatch? {
  var generator = SeededGenerator(seed: seed)
  var builder = SeriesBatchBuilder()
  for row in 0..<rows {
    builder.beginSeries(SeriesID(Hash128(high: generator.next(), low: generator.next())))
    builder.append(timestamp: 1_700_000_000_000 + Int64(row % 7), valueBits: Double(row).bitPattern)
  }
  return builder.build(tenant: .default, batchID: Hash128(high: 1, low: seed))
}

for nodes in [3, 5, 12] {
  let ring = HashRing((1...nodes).map { RingMember(NodeID("node-\($0)")) })
  let groups = ReplicaGroups(SlotAssignment(ring, replicaCount: 3))
  for rows in [500, 2_000, 10_000] {
    let batches = (0..<8).compactMap { batch(rows: rows, seed: UInt64($0)) }
    var best = Int64.max
    var bytes = 0
    for _ in 0..<40 {
      let start = clock.monotonicNanoseconds()
      for batch in batches {
        bytes = ReplicaParts(.series(batch), slots: .standard, over: groups)?.byteCount ?? 0
      }
      best = min(best, clock.monotonicNanoseconds() - start)
    }
    let perSample = Double(best) / Double(batches.count * rows)
    print("\(nodes) nodes, \(rows) samples a batch: \((perSample * 10).rounded() / 10) ns a sample, \(bytes) bytes")
  }
}
