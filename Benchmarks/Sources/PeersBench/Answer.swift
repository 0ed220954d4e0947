import Foundation

/// What a query gave: series by their labels, each with its values by time; items of a list are series without values.
struct Answer {
  var series: [String: [Double: Double]] = [:]

  /// Reads the JSON of Prometheus' API; nil where it is none.
  init?(_ bytes: [UInt8], droppingNames: Bool = false) {
    guard let root = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
      let data = root["data"]
    else { return nil }
    if let list = data as? [Any] {
      for item in list { series[(item as? String) ?? Self.key(item, droppingNames)] = [:] }
      return
    }
    guard let result = (data as? [String: Any])?["result"] as? [[String: Any]] else { return nil }
    for item in result {
      let points = (item["values"] as? [[Any]]) ?? ((item["value"] as? [Any]).map { [$0] } ?? [])
      var values: [Double: Double] = [:]
      for point in points where point.count == 2 {
        guard let time = (point[0] as? NSNumber)?.doubleValue, let value = (point[1] as? String).flatMap(Double.init)
        else { return nil }
        values[time] = value
      }
      series[Self.key(item["metric"] ?? "", droppingNames)] = values
    }
  }

  private static func key(_ labels: Any, _ droppingNames: Bool) -> String {
    guard let labels = labels as? [String: String] else { return "\(labels)" }
    return labels.filter { !droppingNames || $0.key != "__name__" }.map { "\($0.key)=\($0.value)" }.sorted()
      .joined(separator: ",")
  }

  /// How this differs from another answer in series, in points or by more than this share of a value; nil: not at all.
  func difference(from other: Answer, tolerance: Double = 1e-9) -> String? {
    var remarks: [String] = []
    if series.count != other.series.count { remarks.append("\(series.count) series, not \(other.series.count)") }
    let strangers = series.keys.filter { other.series[$0] == nil }.count
    if strangers > 0 { remarks.append("\(strangers) series with other labels") }
    var points = 0
    var worst = 0.0
    var place = ""
    for (key, values) in series {
      guard let others = other.series[key] else { continue }
      points += values.keys.filter { others[$0] == nil }.count + others.keys.filter { values[$0] == nil }.count
      for (time, value) in values {
        guard let wanted = others[time], value != wanted, !(value.isNaN && wanted.isNaN) else { continue }
        let isComparable = value.isFinite && wanted.isFinite
        let error = isComparable ? abs(value - wanted) / max(abs(value), abs(wanted)) : .infinity
        if error > worst {
          worst = error
          place = "\(value) for \(wanted) at \(Int(time)) in {\(key)}"
        }
      }
    }
    if points > 0 { remarks.append("\(points) points only on one side") }
    if worst > tolerance { remarks.append("values up to \(String(format: "%.1e", worst)) off: \(place)") }
    return remarks.isEmpty ? nil : remarks.joined(separator: ", ")
  }
}
