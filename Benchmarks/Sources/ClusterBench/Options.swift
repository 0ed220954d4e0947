import BenchmarkSupport
import Foundation

/// What to measure, and how much of it.
struct Options {
  var needletail = ""
  var figures = ["replication", "reads", "handover"]
  var series = 20_000
  var rounds = 120
  var samplesPerRequest = 2_000
  var passes = 2
  var queryMilliseconds = 1_000
  var minutesMax = 30
  var isMarkdown = false

  static let usage = """
    usage: cluster-bench PATH-TO-NEEDLETAIL [options]

      --figures LIST   of replication,reads,handover        (all)
      --series N       active series                        (20000)
      --rounds N       rounds of 15 s                       (120)
      --request N      samples a request                    (2000)
      --passes N       passes of replication and reads, of which medians are printed (2)
      --query-ms N     how long each query is repeated with each consistency, in milliseconds (1000)
      --minutes-max N  everything is killed after so long   (30)
      --markdown       tables as Markdown
    """

  init(_ arguments: [String]) throws(BenchmarkError) {
    guard let first = arguments.first, !first.hasPrefix("-") else { throw BenchmarkError(Self.usage) }
    needletail = first
    var rest = arguments.dropFirst()
    while let name = rest.popFirst() {
      if name == "--markdown" {
        isMarkdown = true
        continue
      }
      guard let value = rest.popFirst() else {
        throw BenchmarkError("\(name) is no option, or has no value\n" + Self.usage)
      }
      try set(name, value)
    }
  }

  private mutating func set(_ name: String, _ value: String) throws(BenchmarkError) {
    switch name {
    case "--figures":
      figures = value.split(separator: ",").map(String.init)
      for figure in figures where !["replication", "reads", "handover"].contains(figure) {
        throw BenchmarkError("\(figure) is not one of replication, reads, handover")
      }
    case "--series": series = try Self.number(value, 100...2_000_000)
    case "--rounds": rounds = try Self.number(value, 20...10_000)
    case "--request": samplesPerRequest = try Self.number(value, 1...100_000)
    case "--passes": passes = try Self.number(value, 1...100)
    case "--query-ms": queryMilliseconds = try Self.number(value, 10...60_000)
    case "--minutes-max": minutesMax = try Self.number(value, 1...1_440)
    default: throw BenchmarkError("\(name) is no option\n" + Self.usage)
    }
  }

  private static func number(_ text: String, _ range: ClosedRange<Int>) throws(BenchmarkError) -> Int {
    guard let number = Int(text), range.contains(number) else {
      throw BenchmarkError("\(text) is no number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }
}
