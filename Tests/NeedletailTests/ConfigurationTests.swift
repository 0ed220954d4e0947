import Testing

@testable import Needletail

@Suite("Configuration from the environment")
struct ConfigurationTests {
  @Test("Without variables the standard values stand")
  func defaults() {
    let configuration = Needletail.Configuration(serviceName: "cart", environment: [:])
    #expect(configuration.serviceName == "cart" && !configuration.isDisabled)
    #expect(configuration.traces.endpoint == "http://localhost:4318/v1/traces")
    #expect(configuration.traces.queueLimit == 2_048 && configuration.traces.batchLimit == 512)
    #expect(configuration.traces.interval == .seconds(5) && configuration.logs.interval == .seconds(1))
    #expect(configuration.metrics.interval == .seconds(60) && configuration.timeout == .seconds(10))
    #expect(configuration.sampler == .parentBased(root: .alwaysOn))
  }

  @Test("Every variable is read")
  func variables() {
    let configuration = Needletail.Configuration(
      serviceName: "cart",
      environment: [
        "OTEL_SERVICE_NAME": "named", "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,a=b%20c, d = e ",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs/in",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=s%3D1,y=2", "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "m=3",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1500", "OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_BSP_MAX_QUEUE_SIZE": "30",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10", "OTEL_BLRP_SCHEDULE_DELAY": "40", "OTEL_METRIC_EXPORT_INTERVAL": "50",
        "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "TRUE",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "5", "OTEL_SPAN_EVENT_COUNT_LIMIT": "6", "OTEL_SPAN_LINK_COUNT_LIMIT": "7",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "8", "LOG_LEVEL": "WARNING",
      ])
    #expect(configuration.serviceName == "named" && configuration.resourceAttributes == ["a": "b c", "d": "e"])
    #expect(configuration.traces.endpoint == "http://collector:4318/v1/traces")
    #expect(configuration.logs.endpoint == "http://logs/in")
    #expect(configuration.headers.map(\.value) == ["s=1", "2"] && configuration.metrics.headers.map(\.name) == ["m"])
    #expect(configuration.timeout == .milliseconds(1_500) && configuration.traces.interval == .milliseconds(20))
    #expect(configuration.traces.queueLimit == 30 && configuration.traces.batchLimit == 10)
    #expect(configuration.logs.interval == .milliseconds(40) && configuration.metrics.interval == .milliseconds(50))
    #expect(!configuration.metrics.isEnabled && configuration.traces.isEnabled && configuration.isDisabled)
    #expect(configuration.limits.attributes == 5 && configuration.limits.events == 6)
    #expect(configuration.limits.links == 7 && configuration.limits.textBytes == 8)
    #expect(configuration.logLevel == .warning)
  }

  @Test(
    "Each sampler has its name",
    arguments: [
      ("always_on", Needletail.Sampler.alwaysOn), ("always_off", .alwaysOff), ("traceidratio", .traceIDRatio(0.25)),
      ("parentbased_always_on", .parentBased(root: .alwaysOn)),
      ("parentbased_always_off", .parentBased(root: .alwaysOff)),
      ("parentbased_traceidratio", .parentBased(root: .traceIDRatio(0.25))),
    ])
  func samplers(name: String, sampler: Needletail.Sampler) {
    let configuration = Needletail.Configuration(
      serviceName: "s", environment: ["OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": "0.25"])
    #expect(configuration.sampler == sampler)
  }

  @Test("A value that makes no sense is named, not repeated but for a sampler's, and the standard one stands")
  func nonsense() {
    let reader = EnvironmentReader(values: [
      "A": "-1", "B": "99999999999", "C": "secret", "D": "novalue", "E": "a=%zz", "OTEL_TRACES_SAMPLER": "allways_on",
    ])
    #expect(reader.count("A") == nil && reader.count("B") == nil && reader.milliseconds("C") == nil)
    #expect(reader.pairs("D").isEmpty && reader.pairs("E").isEmpty && reader.sampler() == nil)
    #expect(reader.problems.count == 6)
    #expect(!reader.problems.joined().contains("secret"))
    #expect(reader.problems.last?.contains("\"allways_on\", which is none of always_on, always_off,") == true)
  }

  @Test("An endpoint that is no URL is refused before anything is wired, by the name of what is to be mended")
  func endpoints() throws {
    for value in [
      "nonsense", "localhost:4318", "http://", "http:///v1", "ftp://host", "http://a b", "http://ü", "http://host:",
      "http://host:0", "http://host:65536/v1", "http://host:-1", "http://host:18446744073709551616",
      "http://host:4318x",
      "http://[::1", "http://[::1]:99999", "http://[::1]4318", "http://user:pw@host:65536", "http://a:1:2",
    ] {
      let configuration = Needletail.Configuration(
        serviceName: "s", environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": value])
      let error = #expect(throws: Needletail.BootstrapError.self) { try Needletail.bootstrap(configuration) }
      let expected = "OTEL_EXPORTER_OTLP_ENDPOINT is not a URL of scheme and host: write it as http://localhost:4318"
      #expect(error?.message == expected)
    }
    var configuration = Needletail.Configuration(
      serviceName: "s", environment: ["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "user:secret@host"])
    #expect(configuration.endpointProblem?.hasPrefix("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT ") == true)
    #expect(configuration.endpointProblem?.contains("secret") == false)
    configuration.logs.isEnabled = false
    #expect(configuration.endpointProblem == nil)
    configuration.setEndpoint("nonsense")
    #expect(configuration.endpointProblem?.hasPrefix("the endpoint of traces ") == true)
    configuration.isDisabled = true
    #expect(configuration.endpointProblem == nil)
    for url in [
      "http://localhost:4318", "HTTPS://collector/", "http://[::1]:4318", "http://user:pw@host",
      "http://user:pw@host:65535/v1?a=b:c", "https://[::1]/", "http://host:1?x",
    ] {
      configuration = Needletail.Configuration(serviceName: "s", environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": url])
      #expect(configuration.endpointProblem == nil, "\(url)")
    }
  }

  @Test("A header does not describe its value")
  func redaction() {
    let header = Needletail.Configuration.Header(name: "authorization", value: "Bearer secret")
    var dumped = ""
    dump(header, to: &dumped)
    #expect(
      !"\(header)".contains("secret") && !String(reflecting: header).contains("secret") && !dumped.contains("secret"))
  }

  @Test("Text is cut between characters of Unicode")
  func truncation() {
    #expect("abc".truncated(toBytes: 3) == "abc")
    #expect("aéb".truncated(toBytes: 2) == "a")
    #expect("aéb".truncated(toBytes: 3) == "aé")
    #expect("👍🏽".truncated(toBytes: 5) == "👍")
    #expect("👍".truncated(toBytes: 3).isEmpty)
  }
}
