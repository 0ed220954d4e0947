import HummingbirdCore
import NIOCore
import NeedletailEnvironment
import NeedletailQueryEngine
import NeedletailSeries
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What Prometheus' API tells of the server itself: its settings, its memory, its parts.
///
/// A class as `PrometheusAPI` is.
final class PrometheusStatus: Sendable {
  enum Question: String, CaseIterable, Sendable {
    case runtime = "status/runtimeinfo"
    case configuration = "status/config"
    case flags = "status/flags"
    case storage = "status/tsdb"
    case blocks = "status/tsdb/blocks"
    /// How far the log has been read back; also asked of a server that starts.
    case replay = "status/walreplay"
  }

  /// The most entries of each list about the head.
  private static let listMax = 10_000

  let configuration: ServerConfiguration
  let storage: NodeStorage
  let clock: any WallClock
  /// When the storage was opened, in ms since 1970.
  let startedMilliseconds: Int64

  init(configuration: ServerConfiguration, storage: NodeStorage, clock: any WallClock, startedMilliseconds: Int64) {
    (self.configuration, self.storage, self.clock) = (configuration, storage, clock)
    self.startedMilliseconds = startedMilliseconds
  }

  func answer(
    _ question: Question, _ parameters: FormParameters, _ context: ConnectionContext, _ queries: QueryService,
    tenant: TenantID
  ) async throws -> Response {
    switch question {
    case .runtime: return PrometheusEnvelope.success { json in json.object { runtime(to: &$0) } }
    case .configuration:
      return PrometheusEnvelope.success { json in
        json.object { json in Self.member("yaml", configuration.rendered(), to: &json) }
      }
    case .flags:
      return PrometheusEnvelope.success { json in
        json.object { json in
          for setting in Setting.allCases { Self.member(setting.rawValue, configuration.text(of: setting), to: &json) }
        }
      }
    case .storage: return try await head(parameters, context, queries, tenant)
    case .blocks: return PrometheusEnvelope.success { json in json.object { blocks(to: &$0) } }
    case .replay: return Self.replay
    }
  }

  /// Prometheus counts segments of its log; ours is read back before anything is answered, so there is nothing to count.
  static var replay: Response {
    PrometheusEnvelope.success { json in
      json.object { json in
        for key in ["min", "max", "current"] {
          json.key(key)
          json.integer(0)
        }
      }
    }
  }

  private static func member(_ key: String, _ text: String, to json: inout JSONWriter) {
    json.key(key)
    json.string(text)
  }

  private static func member(_ key: String, _ number: Int, to json: inout JSONWriter) {
    json.key(key)
    json.integer(number)
  }

  // MARK: The process

  private func runtime(to json: inout JSONWriter) {
    let started = Timestamp.rfc3339(milliseconds: startedMilliseconds)
    Self.member("startTime", started, to: &json)
    Self.member("CWD", Self.workingFolder, to: &json)
    Self.member("hostname", Self.hostName, to: &json)
    Self.member("serverTime", Timestamp.rfc3339(milliseconds: clock.wallNanoseconds() / 1_000_000), to: &json)
    json.key("reloadConfigSuccess")
    json.bool(true)
    Self.member("lastConfigTime", started, to: &json)
    Self.member("corruptionCount", storage.unreadableParts.reasons.count, to: &json)
    // There are none of these; a client in Go wants the numbers all the same.
    for key in ["goroutineCount", "GOMEMLIMIT"] { Self.member(key, 0, to: &json) }
    Self.member("GOMAXPROCS", System.coreCount, to: &json)
    for key in ["GOGC", "GODEBUG"] { Self.member(key, "", to: &json) }
    Self.member("storageRetention", retention, to: &json)
  }

  private var retention: String {
    let span = configuration.retention.description
    return configuration.retentionBytes.map { "\(span) or \(ByteSize.text($0))" } ?? span
  }

  private static var workingFolder: String {
    var buffer = [CChar](repeating: 0, count: 4096)
    guard getcwd(&buffer, buffer.count - 1) != nil else { return "" }
    return text(buffer)
  }

  private static var hostName: String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "" }
    return text(buffer)
  }

  private static func text(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: The storage

  private func head(
    _ parameters: FormParameters, _ context: ConnectionContext, _ queries: QueryService, _ tenant: TenantID
  ) async throws -> Response {
    var limit = 10
    if let text = parameters["limit"] {
      guard let number = Int(text), number > 0 else {
        throw QueryError(.badData, "limit must be a positive number")
      }
      guard number <= Self.listMax else { throw QueryError(.badData, "limit must not exceed \(Self.listMax)") }
      limit = number
    }
    let found = try await queries.run(for: context) { [series = storage.series, limit] _ in
      try SeriesStore.translating { () throws(SeriesQueryError) in
        try series.headCardinality(tenant: tenant, limit: limit)
      }
    }
    return PrometheusEnvelope.success { json in
      json.object { json in
        json.key("headStats")
        json.object { json in
          Self.member("numSeries", found.seriesCount, to: &json)
          Self.member("numLabelPairs", found.pairCount, to: &json)
          // What Prometheus calls chunks are not told apart here; each series has its samples in one run.
          Self.member("chunkCount", found.seriesCount, to: &json)
          json.key("minTime")
          json.integer(found.times?.lowerBound ?? .max)
          json.key("maxTime")
          json.integer(found.times?.upperBound ?? .min)
        }
        Self.list("seriesCountByMetricName", found.seriesOfMetrics, to: &json)
        Self.list("labelValueCountByLabelName", found.valuesOfNames, to: &json)
        Self.list("memoryInBytesByLabelName", found.bytesOfNames, to: &json)
        Self.list("seriesCountByLabelValuePair", found.seriesOfPairs, to: &json)
      }
    }
  }

  private static func list(_ key: String, _ counts: [HeadCardinality.Count], to json: inout JSONWriter) {
    json.key(key)
    json.array { json in
      for count in counts {
        json.object { json in
          member("name", count.name, to: &json)
          member("value", count.value, to: &json)
        }
      }
    }
  }

  /// Parts as what they are nearest to, Prometheus' blocks; their ends are exclusive there.
  private func blocks(to json: inout JSONWriter) {
    json.key("blocks")
    json.array { json in
      for part in storage.series.partRecords {
        json.object { json in
          Self.member("ulid", "\(part.id)", to: &json)
          json.key("minTime")
          json.integer(part.summary.minTime)
          json.key("maxTime")
          json.integer(part.summary.maxTime == .max ? .max : part.summary.maxTime + 1)
          json.key("stats")
          json.object { json in
            Self.member("numSamples", Int(clamping: part.summary.rows), to: &json)
            Self.member("numSeries", Int(clamping: part.summary.groups), to: &json)
          }
          json.key("compaction")
          json.object { json in
            Self.member("level", Int(part.summary.level) + 1, to: &json)
            json.key("sources")
            json.array { json in json.string("\(part.id)") }
          }
          Self.member("version", 1, to: &json)
        }
      }
    }
  }
}
