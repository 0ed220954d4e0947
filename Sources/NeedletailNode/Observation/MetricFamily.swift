import NeedletailTelemetry

/// One metric of the server's own, with a value for each set of labels.
struct MetricFamily: Sendable {
  struct Point: Sendable {
    var labels: [Label]
    var value: Double
  }

  let name: String
  let kind: MetricMetadata.Kind
  let help: String
  var points: [Point]

  init(_ kind: MetricMetadata.Kind, _ name: String, _ help: String, _ points: [Point]) {
    self.name = name
    self.kind = kind
    self.help = help
    self.points = points
  }

  /// A family of one value without labels.
  init(_ kind: MetricMetadata.Kind, _ name: String, _ help: String, _ value: Double) {
    self.init(kind, name, help, [Point(labels: [], value: value)])
  }
}

/// The text format of Prometheus, version 0.0.4.
enum ExpositionText {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  static func write(_ families: [MetricFamily]) -> [UInt8] {
    var bytes: [UInt8] = []
    for family in families {
      bytes.append(contentsOf: "# HELP \(family.name) \(escaped(family.help, quotes: false))\n".utf8)
      bytes.append(contentsOf: "# TYPE \(family.name) \(family.kind.prometheusName)\n".utf8)
      for point in family.points {
        bytes.append(contentsOf: family.name.utf8)
        if !point.labels.isEmpty {
          let labels = point.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
          bytes.append(contentsOf: "{\(labels.joined(separator: ","))}".utf8)
        }
        bytes.append(UInt8(ascii: " "))
        NumberText.append(point.value, to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
      }
    }
    return bytes
  }

  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
