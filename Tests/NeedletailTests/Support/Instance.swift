import Logging
import NeedletailTestSupport
import Tracing

@testable import Needletail

/// A configuration that sends to a receiver within milliseconds and says nothing.
func testConfiguration(_ url: String) -> Needletail.Configuration {
  var configuration = Needletail.Configuration(serviceName: "test")
  configuration.setEndpoint(url)
  configuration.traces.interval = .milliseconds(5)
  configuration.logs.interval = .milliseconds(5)
  configuration.metrics.interval = .milliseconds(5)
  // Where the machine is busy, so that only what is tested decides.
  configuration.shutdownTimeout = .seconds(120)
  configuration.timeout = .seconds(120)
  configuration.retry.first = .milliseconds(1)
  configuration.retry.longest = .milliseconds(2)
  configuration.logLevel = .trace
  configuration.console = .off
  configuration.diagnostics = { _ in }
  return configuration
}

/// Runs an instance while `body` runs, then cancels it and waits for its last export.
func withRunning<Result>(
  _ telemetry: Needletail.Telemetry, _ body: () async throws -> Result
) async throws -> Result {
  let task = Task { try await telemetry.run() }
  let result: Result
  do {
    result = try await body()
  } catch {
    task.cancel()
    try await task.value
    throw error
  }
  task.cancel()
  try await task.value
  return result
}

/// Reads and writes headers in a dictionary.
struct DictionaryCarrier: Injector, Extractor {
  func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
  func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
}

extension WireTree {
  /// The number data points of a sum by the value of one attribute ("" where it is absent).
  static func sums(_ name: String, by attribute: String, in body: [UInt8]) throws -> [String: Int64] {
    var sums: [String: Int64] = [:]
    for metric in try records(body) where metric.texts(1) == [name] {
      for point in try metric.messages(7).flatMap({ try $0.messages(1) }) {
        guard case .fixed64(let bits)? = point[6].first else { continue }
        sums[try point.attributes(7)[attribute] ?? ""] = Int64(bitPattern: bits)
      }
    }
    return sums
  }
}
