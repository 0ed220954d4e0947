import Foundation
import NeedletailEnvironment
import NeedletailProcesses

extension ClusterRun {
  /// Reads all samples and lines, and these traces, through one reader.
  func read(_ reader: ReadBack, traces: [Int]) async throws -> (
    verdict: Verdict, coverages: [String], entries: [Entry]
  ) {
    let books = ledger.books
    var entries: [Entry] = []
    var coverages: [String] = []
    var answers = [try await reader.samples(), try await reader.lines()]
    for trace in traces { answers.append(try await reader.spans(of: trace)) }
    for answer in answers {
      entries += answer.entries
      coverages.append(answer.coverage ?? "")
    }
    let asked = Set(traces)
    let acknowledged = books.acknowledged.filter { $0.signal != .span || asked.contains($0.series) }
    return (Verdict(entries, acknowledged: acknowledged, attempted: books.attempted), coverages, entries)
  }

  /// The numbers of all traces that were acknowledged, or so many of them.
  func traces(_ count: Int = .max, seed: UInt64 = 0) -> [Int] {
    let all = Set(ledger.acknowledged(.span).map(\.series)).sorted()
    guard count < all.count else { return all }
    var random = SeededGenerator(seed: seed)
    return Array(all.shuffled(using: &random).prefix(count))
  }
}
