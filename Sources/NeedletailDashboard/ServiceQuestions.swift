/// What is asked about all services, each answer a series a service under the label `job`.
protocol ServiceQuestions: Sendable {
  /// Requests a second.
  var rate: String { get }
  /// Failed requests a second.
  var errors: String { get }
  /// Latency in seconds, at a share of the requests such as `0.95`.
  func quantile(_ share: String) -> String
}

/// Asks the histogram that instrumented HTTP servers send.
struct RequestQuestions: ServiceQuestions {
  static let metric = "http_server_request_duration_seconds"

  let rateWindow: String

  var rate: String { "sum by (job) (rate(\(Self.metric)_count[\(rateWindow)]))" }

  var errors: String {
    "sum by (job) (rate(\(Self.metric)_count{http_response_status_code=~\"5..\"}[\(rateWindow)]))"
  }

  func quantile(_ share: String) -> String {
    "histogram_quantile(\(share), sum by (job, le) (rate(\(Self.metric)_bucket[\(rateWindow)])))"
  }
}

/// Asks the spans of what services were asked to do: of kind server or consumer.
struct SpanQuestions: ServiceQuestions {
  private static let kinds = "kind=~\"server|consumer\""

  let rateWindow: String

  var rate: String { "sum by (job) (rate(spans{\(Self.kinds)}[\(rateWindow)]))" }

  var errors: String { "sum by (job) (rate(spans{\(Self.kinds), status=\"error\"}[\(rateWindow)]))" }

  func quantile(_ share: String) -> String {
    "quantile_over_time(\(share), spans{\(Self.kinds)} | unwrap duration [\(rateWindow)]) by (job)"
  }
}
