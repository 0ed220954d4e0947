import HTTPTypes
import HummingbirdCore
import NeedletailCluster
import NeedletailQueryEngine
import NeedletailTelemetry

/// The envelope of Prometheus' HTTP API: `{"status": ..., "data": ...}`, with errors of a few kinds.
enum PrometheusEnvelope {
  /// Bytes after which a streamed answer is handed to the connection.
  static let chunkBytes = 64 << 10
  /// About what a point takes, or a series beside its labels.
  private static let pointBytes = 32

  /// A small answer, written at once.
  static func success(
    warnings: [String] = [], coverage: SlotCoverage? = nil, _ data: (inout JSONWriter) -> Void
  ) -> Response {
    var json = JSONWriter()
    json.object { json in
      json.key("status")
      json.string("success")
      json.key("data")
      data(&json)
      appendRemarks("warnings", warnings, to: &json)
      coverage?.append(to: &json)
    }
    return Response(json: json)
  }

  static func failure(_ error: QueryError) -> Response {
    var json = JSONWriter()
    json.object { json in
      json.key("status")
      json.string("error")
      json.key("errorType")
      json.string(error.kind.rawValue)
      json.key("error")
      json.string(error.message)
    }
    return Response(status(of: error.kind), json: json)
  }

  static func status(of kind: QueryError.Kind) -> HTTPResponse.Status {
    switch kind {
    case .badData: .badRequest
    case .execution: .unprocessableContent
    case .timeout, .unavailable: .serviceUnavailable
    case .canceled: HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request")
    case .notFound: .notFound
    case .internal: .internalServerError
    }
  }

  /// What a client must be told of an answer that does not cover all that was asked.
  static func warnings(_ coverage: Coverage) -> [String] {
    guard !coverage.isComplete else { return [] }
    guard !coverage.failures.isEmpty else {
      return ["the answer is incomplete: not everything asked has answered"]
    }
    return coverage.failures.map { "the answer is incomplete: \($0)" }
  }

  static func appendRemarks(_ key: String, _ remarks: [String], to json: inout JSONWriter) {
    guard !remarks.isEmpty else { return }
    json.key(key)
    json.array { json in for remark in remarks { json.string(remark) } }
  }

  /// The answer to a query: a large one is written to the connection series by series.
  static func answer(
    _ result: QueryResult, remarks: [String] = [], statistics: QueryStatisticsJSON? = nil,
    coverage: SlotCoverage? = nil
  ) -> Response {
    if let bytes = byteEstimate(result.value), bytes <= chunkBytes {
      var json = JSONWriter(reserving: bytes)
      begin(&json)
      write(result.value, &json)
      end(result, remarks, statistics, coverage, &json)
      return Response(json: json)
    }
    let body = ResponseBody { writer in
      var json = JSONWriter()
      begin(&json)
      if case .vector(let columns) = result.value {
        try await writeSeries(columns, "vector", &json, to: &writer)
      } else if case .matrix(let columns) = result.value {
        try await writeSeries(columns, "matrix", &json, to: &writer)
      } else {
        write(result.value, &json)
      }
      end(result, remarks, statistics, coverage, &json)
      try await writer.write(pieces: json.take())
      try await writer.finish(nil)
    }
    return Response(status: .ok, headers: [.contentType: "application/json"], body: body)
  }

  /// About how many bytes an answer takes, more rather than less; nil where that would have to be counted.
  private static func byteEstimate(_ value: QueryValue) -> Int? {
    switch value {
    case .scalar: return pointBytes
    case .string(let text, _): return text.utf8.count + pointBytes
    case .vector(let columns), .matrix(let columns):
      guard columns.histograms.isEmpty, columns.count <= chunkBytes / pointBytes else { return nil }
      return columns.labels.reduce((columns.timestamps.count + columns.count) * pointBytes + 128) { bytes, labels in
        bytes + labels.canonicalBytes.count * 2
      }
    case .logs, .spans: return nil
    }
  }

  private static func begin(_ json: inout JSONWriter) {
    json.beginObject()
    json.key("status")
    json.string("success")
    json.key("data")
    json.beginObject()
  }

  private static func end(
    _ result: QueryResult, _ remarks: [String], _ statistics: QueryStatisticsJSON?, _ coverage: SlotCoverage?,
    _ json: inout JSONWriter
  ) {
    if let statistics {
      json.key("stats")
      statistics.write(to: &json)
    }
    json.endObject()
    appendRemarks("warnings", result.warnings + remarks + warnings(result.coverage), to: &json)
    appendRemarks("infos", result.infos, to: &json)
    coverage?.append(to: &json)
    json.endObject()
  }

  private static func write(_ value: QueryValue, _ json: inout JSONWriter) {
    json.key("resultType")
    switch value {
    case .scalar(let number, let time):
      json.string("scalar")
      json.key("result")
      json.array { json in
        json.seconds(fromMilliseconds: time)
        json.quotedNumber(number)
      }
    case .string(let text, let time):
      json.string("string")
      json.key("result")
      json.array { json in
        json.seconds(fromMilliseconds: time)
        json.string(text)
      }
    case .vector(let columns): writeAll(columns, "vector", &json)
    case .matrix(let columns): writeAll(columns, "matrix", &json)
    case .logs(let columns):
      json.string("streams")
      json.key("result")
      LogStreams(columns).write(to: &json)
    case .spans(let columns):
      json.string("spans")
      json.key("result")
      SpanList.write(columns, to: &json)
    }
  }

  private static func writeAll(_ columns: SeriesColumns, _ type: String, _ json: inout JSONWriter) {
    json.string(type)
    json.key("result")
    json.beginArray()
    var histogram = 0
    for row in 0..<columns.count {
      SeriesJSON.write(columns, row: row, isVector: type == "vector", nextHistogram: &histogram, to: &json)
    }
    json.endArray()
  }

  private static func writeSeries(
    _ columns: SeriesColumns, _ type: String, _ json: inout JSONWriter, to writer: inout any ResponseBodyWriter
  ) async throws {
    json.key("resultType")
    json.string(type)
    json.key("result")
    json.beginArray()
    var histogram = 0
    for row in 0..<columns.count {
      SeriesJSON.write(columns, row: row, isVector: type == "vector", nextHistogram: &histogram, to: &json)
      if json.count >= chunkBytes { try await writer.write(pieces: json.take()) }
    }
    json.endArray()
  }
}
