import NeedletailCluster
import NeedletailTelemetry

extension WriteCoordinator {
  /// What became of writes and hints, as metrics.
  var families: [MetricFamily] {
    let counted = writes.counters
    func by(_ label: String, _ values: KeyValuePairs<String, Int>) -> [MetricFamily.Point] {
      values.map { MetricFamily.Point(labels: [Label(label, $0.key)], value: Double($0.value)) }
    }
    return [
      MetricFamily(
        .counter, "needletail_cluster_writes_total", "Writes to replicas, by what their callers were told.",
        by(
          "outcome",
          [
            "acknowledged": counted.acknowledged, "unavailable": counted.unavailable, "refused": counted.refused,
            "overloaded": counted.overloaded, "joined": joined,
          ])),
      MetricFamily(
        .counter, "needletail_cluster_write_retries_total", "Attempts beyond the first to one replica.",
        Double(counted.retries)),
      MetricFamily(
        .counter, "needletail_cluster_write_replicas_missed_total",
        "Replicas of acknowledged writes that get neither the write nor a hint of it.",
        Double(counted.gaveUp + counted.hintsGivenUp)),
      MetricFamily(
        .gauge, "needletail_cluster_writes_held", "Writes whose batch is held for a replica.", Double(writes.count)),
      MetricFamily(
        .gauge, "needletail_cluster_write_bytes_held", "Their size, in bytes.", Double(writes.bytes)),
      copies.family,
    ] + hintFamilies
  }

  private var hintFamilies: [MetricFamily] {
    let queues = shelves.keys.sorted().compactMap { shelves[$0]?.queue }
    func byNode(_ value: (HintQueue) -> Int) -> [MetricFamily.Point] {
      queues.map { MetricFamily.Point(labels: [Label("node", $0.node.rawValue)], value: Double(value($0))) }
    }
    let reasons: [(String, (HintCounters) -> Int)] = [
      ("too_many", \.tooMany), ("not_stored", \.notStored), ("too_old", \.tooOld), ("refused", \.refused),
      ("removed", \.removed), ("superseded", \.superseded),
    ]
    return [
      MetricFamily(
        .counter, "needletail_cluster_hints_stored_total", "Hints handed to the disk.", byNode { $0.counters.appended }),
      MetricFamily(
        .counter, "needletail_cluster_hints_delivered_total", "Hints that their node has.",
        byNode { $0.counters.delivered }),
      MetricFamily(
        .counter, "needletail_cluster_hint_failures_total", "Deliveries of hints without an answer, or with no.",
        byNode { $0.counters.failures }),
      MetricFamily(
        .counter, "needletail_cluster_hints_given_up_total", "Hints given up, by reason.",
        queues.flatMap { queue in
          reasons.map { reason, value in
            MetricFamily.Point(
              labels: [Label("node", queue.node.rawValue), Label("reason", reason)],
              value: Double(value(queue.counters)))
          }
        }),
      MetricFamily(.gauge, "needletail_cluster_hints", "Hints that wait for their node.", byNode { $0.count }),
      MetricFamily(.gauge, "needletail_cluster_hint_bytes", "Their size, in bytes.", byNode { $0.bytes }),
    ]
  }
}
