// The messages of OTLP as its JSON form names their fields: which number and type each has in protobuf
// (opentelemetry-proto 1.9). Written down as data, so that one small transcoder reads them all.

/// How the value of a field is written, in JSON and in protobuf.
enum JSONFieldKind: Sendable {
  case string
  /// Base64 in JSON.
  case bytes
  /// Bytes that are hexadecimal in JSON: the exception that OTLP makes for trace and span ids.
  case identifier
  case bool
  /// int32, uint32 and enumerations, which OTLP/JSON writes as numbers.
  case varint32
  case zigzag32
  case int64
  case uint64
  case fixed64
  case sfixed64
  case fixed32
  case double
  case message(OTLPMessage)
}

/// A field: its name in JSON, its number in protobuf, its type.
struct JSONField: Sendable {
  let name: StaticString
  let number: UInt32
  let kind: JSONFieldKind
  let isRepeated: Bool

  init(_ name: StaticString, _ number: UInt32, _ kind: JSONFieldKind, isRepeated: Bool = false) {
    self.name = name
    self.number = number
    self.kind = kind
    self.isRepeated = isRepeated
  }
}

/// A message of OTLP.
enum OTLPMessage: Sendable {
  case anyValue
  case arrayValue
  case keyValueList
  case keyValue
  case instrumentationScope
  case entityRef
  case resource
  case resourceSpans
  case scopeSpans
  case span
  case spanEvent
  case spanLink
  case status
  case resourceMetrics
  case scopeMetrics
  case metric
  case gauge
  case sum
  case histogram
  case exponentialHistogram
  case summary
  case numberDataPoint
  case histogramDataPoint
  case exponentialHistogramDataPoint
  case exponentialHistogramDataPointBuckets
  case summaryDataPoint
  case summaryDataPointValueAtQuantile
  case exemplar
  case resourceLogs
  case scopeLogs
  case logRecord
  case exportTraceServiceRequest
  case exportMetricsServiceRequest
  case exportLogsServiceRequest

  /// The message's fields.
  var fields: [JSONField] {
    switch self {
    case .anyValue: Self.anyValueFields
    case .arrayValue: Self.arrayValueFields
    case .keyValueList: Self.keyValueListFields
    case .keyValue: Self.keyValueFields
    case .instrumentationScope: Self.instrumentationScopeFields
    case .entityRef: Self.entityRefFields
    case .resource: Self.resourceFields
    case .resourceSpans: Self.resourceSpansFields
    case .scopeSpans: Self.scopeSpansFields
    case .span: Self.spanFields
    case .spanEvent: Self.spanEventFields
    case .spanLink: Self.spanLinkFields
    case .status: Self.statusFields
    case .resourceMetrics: Self.resourceMetricsFields
    case .scopeMetrics: Self.scopeMetricsFields
    case .metric: Self.metricFields
    case .gauge: Self.gaugeFields
    case .sum: Self.sumFields
    case .histogram: Self.histogramFields
    case .exponentialHistogram: Self.exponentialHistogramFields
    case .summary: Self.summaryFields
    case .numberDataPoint: Self.numberDataPointFields
    case .histogramDataPoint: Self.histogramDataPointFields
    case .exponentialHistogramDataPoint: Self.exponentialHistogramDataPointFields
    case .exponentialHistogramDataPointBuckets: Self.exponentialHistogramDataPointBucketsFields
    case .summaryDataPoint: Self.summaryDataPointFields
    case .summaryDataPointValueAtQuantile: Self.summaryDataPointValueAtQuantileFields
    case .exemplar: Self.exemplarFields
    case .resourceLogs: Self.resourceLogsFields
    case .scopeLogs: Self.scopeLogsFields
    case .logRecord: Self.logRecordFields
    case .exportTraceServiceRequest: Self.exportTraceServiceRequestFields
    case .exportMetricsServiceRequest: Self.exportMetricsServiceRequestFields
    case .exportLogsServiceRequest: Self.exportLogsServiceRequestFields
    }
  }
}

extension OTLPMessage {
  private static let anyValueFields = [
    JSONField("stringValue", 1, .string),
    JSONField("boolValue", 2, .bool),
    JSONField("intValue", 3, .int64),
    JSONField("doubleValue", 4, .double),
    JSONField("arrayValue", 5, .message(.arrayValue)),
    JSONField("kvlistValue", 6, .message(.keyValueList)),
    JSONField("bytesValue", 7, .bytes),
    JSONField("stringValueStrindex", 8, .varint32),
  ]

  private static let arrayValueFields = [
    JSONField("values", 1, .message(.anyValue), isRepeated: true)
  ]

  private static let keyValueListFields = [
    JSONField("values", 1, .message(.keyValue), isRepeated: true)
  ]

  private static let keyValueFields = [
    JSONField("key", 1, .string),
    JSONField("value", 2, .message(.anyValue)),
    JSONField("keyStrindex", 3, .varint32),
  ]

  private static let instrumentationScopeFields = [
    JSONField("name", 1, .string),
    JSONField("version", 2, .string),
    JSONField("attributes", 3, .message(.keyValue), isRepeated: true),
    JSONField("droppedAttributesCount", 4, .varint32),
  ]

  private static let entityRefFields = [
    JSONField("schemaUrl", 1, .string),
    JSONField("type", 2, .string),
    JSONField("idKeys", 3, .string, isRepeated: true),
    JSONField("descriptionKeys", 4, .string, isRepeated: true),
  ]

  private static let resourceFields = [
    JSONField("attributes", 1, .message(.keyValue), isRepeated: true),
    JSONField("droppedAttributesCount", 2, .varint32),
    JSONField("entityRefs", 3, .message(.entityRef), isRepeated: true),
  ]

  private static let resourceSpansFields = [
    JSONField("resource", 1, .message(.resource)),
    JSONField("scopeSpans", 2, .message(.scopeSpans), isRepeated: true),
    JSONField("schemaUrl", 3, .string),
  ]

  private static let scopeSpansFields = [
    JSONField("scope", 1, .message(.instrumentationScope)),
    JSONField("spans", 2, .message(.span), isRepeated: true),
    JSONField("schemaUrl", 3, .string),
  ]

  private static let spanFields = [
    JSONField("traceId", 1, .identifier),
    JSONField("spanId", 2, .identifier),
    JSONField("traceState", 3, .string),
    JSONField("parentSpanId", 4, .identifier),
    JSONField("flags", 16, .fixed32),
    JSONField("name", 5, .string),
    JSONField("kind", 6, .varint32),
    JSONField("startTimeUnixNano", 7, .fixed64),
    JSONField("endTimeUnixNano", 8, .fixed64),
    JSONField("attributes", 9, .message(.keyValue), isRepeated: true),
    JSONField("droppedAttributesCount", 10, .varint32),
    JSONField("events", 11, .message(.spanEvent), isRepeated: true),
    JSONField("droppedEventsCount", 12, .varint32),
    JSONField("links", 13, .message(.spanLink), isRepeated: true),
    JSONField("droppedLinksCount", 14, .varint32),
    JSONField("status", 15, .message(.status)),
  ]

  private static let spanEventFields = [
    JSONField("timeUnixNano", 1, .fixed64),
    JSONField("name", 2, .string),
    JSONField("attributes", 3, .message(.keyValue), isRepeated: true),
    JSONField("droppedAttributesCount", 4, .varint32),
  ]

  private static let spanLinkFields = [
    JSONField("traceId", 1, .identifier),
    JSONField("spanId", 2, .identifier),
    JSONField("traceState", 3, .string),
    JSONField("attributes", 4, .message(.keyValue), isRepeated: true),
    JSONField("droppedAttributesCount", 5, .varint32),
    JSONField("flags", 6, .fixed32),
  ]

  private static let statusFields = [
    JSONField("message", 2, .string),
    JSONField("code", 3, .varint32),
  ]

  private static let resourceMetricsFields = [
    JSONField("resource", 1, .message(.resource)),
    JSONField("scopeMetrics", 2, .message(.scopeMetrics), isRepeated: true),
    JSONField("schemaUrl", 3, .string),
  ]

  private static let scopeMetricsFields = [
    JSONField("scope", 1, .message(.instrumentationScope)),
    JSONField("metrics", 2, .message(.metric), isRepeated: true),
    JSONField("schemaUrl", 3, .string),
  ]

  private static let metricFields = [
    JSONField("name", 1, .string),
    JSONField("description", 2, .string),
    JSONField("unit", 3, .string),
    JSONField("gauge", 5, .message(.gauge)),
    JSONField("sum", 7, .message(.sum)),
    JSONField("histogram", 9, .message(.histogram)),
    JSONField("exponentialHistogram", 10, .message(.exponentialHistogram)),
    JSONField("summary", 11, .message(.summary)),
    JSONField("metadata", 12, .message(.keyValue), isRepeated: true),
  ]

  private static let gaugeFields = [
    JSONField("dataPoints", 1, .message(.numberDataPoint), isRepeated: true)
  ]

  private static let sumFields = [
    JSONField("dataPoints", 1, .message(.numberDataPoint), isRepeated: true),
    JSONField("aggregationTemporality", 2, .varint32),
    JSONField("isMonotonic", 3, .bool),
  ]

  private static let histogramFields = [
    JSONField("dataPoints", 1, .message(.histogramDataPoint), isRepeated: true),
    JSONField("aggregationTemporality", 2, .varint32),
  ]

  private static let exponentialHistogramFields = [
    JSONField("dataPoints", 1, .message(.exponentialHistogramDataPoint), isRepeated: true),
    JSONField("aggregationTemporality", 2, .varint32),
  ]

  private static let summaryFields = [
    JSONField("dataPoints", 1, .message(.summaryDataPoint), isRepeated: true)
  ]

  private static let numberDataPointFields = [
    JSONField("attributes", 7, .message(.keyValue), isRepeated: true),
    JSONField("startTimeUnixNano", 2, .fixed64),
    JSONField("timeUnixNano", 3, .fixed64),
    JSONField("asDouble", 4, .double),
    JSONField("asInt", 6, .sfixed64),
    JSONField("exemplars", 5, .message(.exemplar), isRepeated: true),
    JSONField("flags", 8, .varint32),
  ]

  private static let histogramDataPointFields = [
    JSONField("attributes", 9, .message(.keyValue), isRepeated: true),
    JSONField("startTimeUnixNano", 2, .fixed64),
    JSONField("timeUnixNano", 3, .fixed64),
    JSONField("count", 4, .fixed64),
    JSONField("sum", 5, .double),
    JSONField("bucketCounts", 6, .fixed64, isRepeated: true),
    JSONField("explicitBounds", 7, .double, isRepeated: true),
    JSONField("exemplars", 8, .message(.exemplar), isRepeated: true),
    JSONField("flags", 10, .varint32),
    JSONField("min", 11, .double),
    JSONField("max", 12, .double),
  ]

  private static let exponentialHistogramDataPointFields = [
    JSONField("attributes", 1, .message(.keyValue), isRepeated: true),
    JSONField("startTimeUnixNano", 2, .fixed64),
    JSONField("timeUnixNano", 3, .fixed64),
    JSONField("count", 4, .fixed64),
    JSONField("sum", 5, .double),
    JSONField("scale", 6, .zigzag32),
    JSONField("zeroCount", 7, .fixed64),
    JSONField("positive", 8, .message(.exponentialHistogramDataPointBuckets)),
    JSONField("negative", 9, .message(.exponentialHistogramDataPointBuckets)),
    JSONField("flags", 10, .varint32),
    JSONField("exemplars", 11, .message(.exemplar), isRepeated: true),
    JSONField("min", 12, .double),
    JSONField("max", 13, .double),
    JSONField("zeroThreshold", 14, .double),
  ]

  private static let exponentialHistogramDataPointBucketsFields = [
    JSONField("offset", 1, .zigzag32),
    JSONField("bucketCounts", 2, .uint64, isRepeated: true),
  ]

  private static let summaryDataPointFields = [
    JSONField("attributes", 7, .message(.keyValue), isRepeated: true),
    JSONField("startTimeUnixNano", 2, .fixed64),
    JSONField("timeUnixNano", 3, .fixed64),
    JSONField("count", 4, .fixed64),
    JSONField("sum", 5, .double),
    JSONField("quantileValues", 6, .message(.summaryDataPointValueAtQuantile), isRepeated: true),
    JSONField("flags", 8, .varint32),
  ]

  private static let summaryDataPointValueAtQuantileFields = [
    JSONField("quantile", 1, .double),
    JSONField("value", 2, .double),
  ]

  private static let exemplarFields = [
    JSONField("filteredAttributes", 7, .message(.keyValue), isRepeated: true),
    JSONField("timeUnixNano", 2, .fixed64),
    JSONField("asDouble", 3, .double),
    JSONField("asInt", 6, .sfixed64),
    JSONField("spanId", 4, .identifier),
    JSONField("traceId", 5, .identifier),
  ]

  private static let resourceLogsFields = [
    JSONField("resource", 1, .message(.resource)),
    JSONField("scopeLogs", 2, .message(.scopeLogs), isRepeated: true),
    JSONField("schemaUrl", 3, .string),
  ]

  private static let scopeLogsFields = [
    JSONField("scope", 1, .message(.instrumentationScope)),
    JSONField("logRecords", 2, .message(.logRecord), isRepeated: true),
    JSONField("schemaUrl", 3, .string),
  ]

  private static let logRecordFields = [
    JSONField("timeUnixNano", 1, .fixed64),
    JSONField("observedTimeUnixNano", 11, .fixed64),
    JSONField("severityNumber", 2, .varint32),
    JSONField("severityText", 3, .string),
    JSONField("body", 5, .message(.anyValue)),
    JSONField("attributes", 6, .message(.keyValue), isRepeated: true),
    JSONField("droppedAttributesCount", 7, .varint32),
    JSONField("flags", 8, .fixed32),
    JSONField("traceId", 9, .identifier),
    JSONField("spanId", 10, .identifier),
    JSONField("eventName", 12, .string),
  ]

  private static let exportTraceServiceRequestFields = [
    JSONField("resourceSpans", 1, .message(.resourceSpans), isRepeated: true)
  ]

  private static let exportMetricsServiceRequestFields = [
    JSONField("resourceMetrics", 1, .message(.resourceMetrics), isRepeated: true)
  ]

  private static let exportLogsServiceRequestFields = [
    JSONField("resourceLogs", 1, .message(.resourceLogs), isRepeated: true)
  ]
}
