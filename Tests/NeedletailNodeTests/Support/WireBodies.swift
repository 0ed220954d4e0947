import NeedletailOTLP

/// Snappy's block format with nothing compressed.
enum Snappy {
  static func literal(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var length = bytes.count
    while length >= 0x80 {
      result.append(UInt8(length & 0x7f) | 0x80)
      length >>= 7
    }
    result.append(UInt8(length))
    var rest = bytes[...]
    while !rest.isEmpty {
      let chunk = rest.prefix(60)
      result.append(UInt8(chunk.count - 1) << 2)
      result += chunk
      rest = rest.dropFirst(chunk.count)
    }
    return result
  }
}

/// A series as remote write carries it.
struct TestSeries {
  var labels: [(String, String)]
  var samples: [(time: Int64, value: Double)]
  var exemplars: [(time: Int64, value: Double)] = []

  static func writeRequest(_ series: [TestSeries]) -> [UInt8] {
    var writer = ProtobufWriter()
    for one in series {
      writer.field(1) { message in
        for (name, value) in one.labels {
          message.field(1) { label in
            label.field(1, string: name)
            label.field(2, string: value)
          }
        }
        for sample in one.samples {
          message.field(2) { encoded in
            encoded.field(1, double: sample.value)
            encoded.field(2, int64: sample.time)
          }
        }
        for exemplar in one.exemplars {
          message.field(3) { encoded in
            encoded.field(2, double: exemplar.value)
            encoded.field(3, int64: exemplar.time)
          }
        }
      }
    }
    return writer.bytes
  }
}

/// Export requests of OTLP, in JSON and in protobuf.
enum OTLPBodies {
  static let traceID = "0af7651916cd43dd8448eb211c80319c"

  /// A resource of a service; `namespace/name` where it has a namespace.
  private static func resource(_ service: String) -> String {
    let parts = service.split(separator: "/")
    let namespace =
      parts.count == 2 ? #"{"key":"service.namespace","value":{"stringValue":"\#(parts[0])"}},"# : ""
    return #"{"attributes":[\#(namespace){"key":"service.name","value":{"stringValue":"\#(parts.last ?? "")"}}]}"#
  }

  static func gauge(_ name: String, service: String, value: Double, at nanoseconds: Int64) -> [UInt8] {
    Array(
      #"""
      {"resourceMetrics":[{"resource":\#(resource(service)),"scopeMetrics":[{"scope":{"name":"t"},"metrics":[
      {"name":"\#(name)","gauge":{"dataPoints":[{"timeUnixNano":"\#(nanoseconds)","asDouble":\#(value)}]}}]}]}]}
      """#.utf8)
  }

  static func log(_ text: String, service: String, at nanoseconds: Int64) -> [UInt8] {
    Array(
      #"""
      {"resourceLogs":[{"resource":\#(resource(service)),"scopeLogs":[{"scope":{"name":"t"},"logRecords":[
      {"timeUnixNano":"\#(nanoseconds)","severityNumber":17,"severityText":"ERROR","traceId":"\#(traceID)",
      "spanId":"00f067aa0ba902b7","body":{"stringValue":"\#(text)"}}]}]}]}
      """#.utf8)
  }

  static func span(_ name: String, service: String, start: Int64, end: Int64) -> [UInt8] {
    Array(
      #"""
      {"resourceSpans":[{"resource":\#(resource(service)),"scopeSpans":[{"scope":{"name":"t"},"spans":[
      {"traceId":"\#(traceID)","spanId":"00f067aa0ba902b7","name":"\#(name)","kind":2,
      "startTimeUnixNano":"\#(start)","endTimeUnixNano":"\#(end)","status":{"code":2,"message":"declined"},
      "attributes":[{"key":"http.route","value":{"stringValue":"/pay"}}]}]}]}]}
      """#.utf8)
  }

  /// An export request of any signal in protobuf, from its JSON form.
  static func protobuf(_ json: [UInt8], _ signal: OTLPSignal) throws -> [UInt8] {
    try json.withUnsafeBytes { try OTLPJSONTranscoder.protobuf($0, signal: signal) }
  }
}
