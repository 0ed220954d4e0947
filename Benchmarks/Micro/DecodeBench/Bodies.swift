/// Appends the wire format of protobuf.
struct ProtobufBytes {
  private(set) var bytes: [UInt8] = []

  mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  mutating func field(_ number: UInt8, _ payload: [UInt8]) {
    bytes.append(number << 3 | 2)
    varint(UInt64(payload.count))
    bytes += payload
  }

  mutating func field(_ number: UInt8, _ text: String) { field(number, Array(text.utf8)) }

  mutating func field(_ number: UInt8, double value: Double) { field(number, fixed: value.bitPattern) }

  mutating func field(_ number: UInt8, fixed value: UInt64) {
    bytes.append(number << 3 | 1)
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  mutating func field(_ number: UInt8, varint value: UInt64) {
    bytes.append(number << 3)
    varint(value)
  }

  mutating func field(_ number: UInt8, _ fill: (inout ProtobufBytes) -> Void) {
    var inner = ProtobufBytes()
    fill(&inner)
    field(number, inner.bytes)
  }
}

private let metrics = [
  "node_cpu_seconds_total", "node_memory_free_bytes", "node_load1", "node_network_receive_bytes_total",
  "node_disk_io_time_seconds_total", "node_filesystem_avail_bytes", "http_requests_total", "process_open_fds",
]

private func labels(_ index: Int) -> [(String, String)] {
  [
    ("cluster", "production-eu-central-\(index / 1000 % 3)"), ("container", "worker"), ("device", "d\(index / 8 % 20)"),
    ("endpoint", "metrics"), ("instance", "host-\(index / 160).example.net:9100"), ("job", "node"),
    ("namespace", "monitoring"), ("pod", "worker-7f9c6d5b4-\(index / 160)"), ("team", "platform"),
  ]
}

/// A WriteRequest: ten labels a series.
struct RemoteWriteBody {
  let bytes: [UInt8]

  init(first: Int, series: Int, samples: Int) {
    var request = ProtobufBytes()
    for index in first..<(first + series) {
      request.field(1) { message in
        for (name, value) in [("__name__", metrics[index % metrics.count])] + labels(index) {
          message.field(1) {
            $0.field(1, name)
            $0.field(2, value)
          }
        }
        for sample in 0..<samples {
          message.field(2) {
            $0.field(1, double: Double(index % 977) * 0.25 + Double(sample))
            $0.field(2, varint: UInt64(1_700_000_000_000 + sample * 15_000 + index / 160 % 7))
          }
        }
      }
    }
    bytes = request.bytes
  }
}

/// An ExportMetricsServiceRequest: a resource for each 160 series, gauges of 20 points with six attributes.
struct OTLPMetricsBody {
  let bytes: [UInt8]

  init(first: Int, series: Int) {
    var request = ProtobufBytes()
    for resource in stride(from: first, to: first + series, by: 160) {
      request.field(1) { message in
        message.field(1) { owner in
          Self.attribute("service.name", "node", &owner)
          Self.attribute("service.instance.id", "host-\(resource / 160)", &owner)
        }
        message.field(2) { scope in
          let end = min(resource + 160, first + series)
          for metric in stride(from: resource, to: end, by: 20) {
            scope.field(2) { Self.gauge(metric..<min(metric + 20, end), &$0) }
          }
        }
      }
    }
    bytes = request.bytes
  }

  private static func gauge(_ points: Range<Int>, _ message: inout ProtobufBytes) {
    message.field(1, metrics[points.lowerBound / 20 % metrics.count])
    message.field(5) { gauge in
      for point in points {
        gauge.field(1) { number in
          for (name, value) in labels(point).prefix(6) { attribute(name, value, &number, field: 7) }
          attribute("point", "\(point)", &number, field: 7)
          number.field(3, fixed: 1_700_000_000_000_000_000)
          number.field(4, double: Double(point) * 0.25)
        }
      }
    }
  }

  private static func attribute(
    _ key: String, _ value: String, _ message: inout ProtobufBytes, field: UInt8 = 1
  ) {
    message.field(field) { attribute in
      attribute.field(1, key)
      attribute.field(2) { $0.field(1, value) }
    }
  }
}
