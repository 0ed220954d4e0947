import BenchmarkSupport
import Foundation

/// What to measure, and how much of it.
struct Options {
  var needletail = ""
  var loads = ["devops", "cardinality", "churn", "histograms"]
  var servers = ["victoria-metrics", "prometheus", "needletail"]
  var figures = ["queries", "scan", "visible", "kill"]
  var series = 40_000
  var rounds = 240
  var cardinality = 1_000_000
  var histograms = 4_000
  var daySeries = 2_000
  var requests = [2_000, 10_000]
  var connections = [1, 4]
  var passes = 2
  var killSamples = 3_000_000
  var queryMilliseconds = 500
  var minutesMax = 60
  var folder = FileManager.default.temporaryDirectory.path
  var isMarkdown = false
  var usesCaches = false
  var disablesCaches = false

  static let usage = """
    usage: peers-bench PATH-TO-NEEDLETAIL [options]

    Starts VictoriaMetrics, Prometheus and Needletail in turn on loopback with fresh folders, sends each the same bodies, and prints a
    table for each load, with ratios to VictoriaMetrics. Without options a full run, of about half an hour on two cores; the load `days`
    runs where it is named.

      --quick                  a small run of some minutes: 20,000 series for 20 minutes, 200,000 series of high cardinality, 1,000 of histograms, one pass
      --loads LIST             of devops,cardinality,churn,histograms,days        (all but days)
      --servers LIST           of victoria-metrics,prometheus,needletail          (all)
      --figures LIST           of queries,scan,visible,kill, or none, beside ingest (all)
      --series N               active series of devops and churn                  (40000)
      --rounds N               rounds of 15 s; 240 are an hour, 5760 a day        (240)
      --cardinality N          series of the load of high cardinality             (1000000)
      --histograms N           series of native histograms                        (4000)
      --day-series N           series of days, which are always 24 hours          (2000)
      --requests LIST          samples a request                                  (2000,10000)
      --connections LIST       connections                                        (1,4)
      --passes N               passes of ingest; medians are printed              (2)
      --kill-samples N         kill -9 after so many acknowledged samples         (3000000)
      --query-ms N             how long each query is repeated, in milliseconds   (500)
      --folder DIR             where bodies and data folders lie                  (the folder for temporary files)
      --minutes-max N          everything is killed after so long                 (60)
      --markdown               tables as Markdown
      --vm-cache               let VictoriaMetrics answer from its result cache   (nocache=1 on every query)
      --vm-disable-cache       start VictoriaMetrics with -search.disableCache
    """

  init(_ arguments: [String]) throws(BenchmarkError) {
    guard let first = arguments.first, !first.hasPrefix("-") else { throw BenchmarkError(Self.usage) }
    needletail = first
    var rest = arguments.dropFirst()
    while let name = rest.popFirst() {
      switch name {
      case "--quick": makeQuick()
      case "--markdown": isMarkdown = true
      case "--vm-cache": usesCaches = true
      case "--vm-disable-cache": disablesCaches = true
      default:
        guard let value = rest.popFirst() else {
          throw BenchmarkError("\(name) is no option, or has no value\n" + Self.usage)
        }
        try set(name, value)
      }
    }
  }

  private mutating func makeQuick() {
    (series, rounds, cardinality, passes) = (20_000, 80, 200_000, 1)
    (requests, connections) = ([2_000], [1])
    (histograms, killSamples, queryMilliseconds, minutesMax) = (1_000, 600_000, 150, 15)
  }

  private mutating func set(_ name: String, _ value: String) throws(BenchmarkError) {
    switch name {
    case "--loads": loads = try Self.list(value, of: ["devops", "cardinality", "churn", "histograms", "days"])
    case "--servers": servers = try Self.list(value, of: ["victoria-metrics", "prometheus", "needletail"])
    case "--figures": figures = value == "none" ? [] : try Self.list(value, of: ["queries", "scan", "visible", "kill"])
    case "--series": series = try Self.number(value, 2_000...2_000_000)
    case "--rounds": rounds = try Self.number(value, 2...100_000)
    case "--cardinality": cardinality = try Self.number(value, 1_000...10_000_000)
    case "--histograms": histograms = try Self.number(value, 100...200_000)
    case "--day-series": daySeries = try Self.number(value, 1_600...200_000)
    case "--requests": requests = try Self.numbers(value, 1...100_000)
    case "--connections": connections = try Self.numbers(value, 1...64)
    case "--passes": passes = try Self.number(value, 1...100)
    case "--kill-samples": killSamples = try Self.number(value, 1...1_000_000_000)
    case "--query-ms": queryMilliseconds = try Self.number(value, 0...60_000)
    case "--minutes-max": minutesMax = try Self.number(value, 1...1_440)
    case "--folder": folder = value
    default: throw BenchmarkError("\(name) is no option\n" + Self.usage)
    }
  }

  private static func list(_ text: String, of known: [String]) throws(BenchmarkError) -> [String] {
    let items = text.split(separator: ",").map(String.init)
    for item in items where !known.contains(item) {
      throw BenchmarkError("\(item) is not one of \(known.joined(separator: ", "))")
    }
    return items
  }

  private static func numbers(_ text: String, _ range: ClosedRange<Int>) throws(BenchmarkError) -> [Int] {
    var numbers: [Int] = []
    for item in text.split(separator: ",") { numbers.append(try number(String(item), range)) }
    return numbers
  }

  private static func number(_ text: String, _ range: ClosedRange<Int>) throws(BenchmarkError) -> Int {
    guard let number = Int(text), range.contains(number) else {
      throw BenchmarkError("\(text) is no number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }
}
