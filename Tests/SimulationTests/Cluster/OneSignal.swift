import NeedletailTelemetry

@testable import NeedletailCluster

extension RepairMessage.Bucket {
  /// Whether a series is meant: here all are of metrics.
  func has(_ series: Hash128) -> Bool { signal == 0 && share.contains(series) }
}
