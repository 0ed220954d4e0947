import NeedletailDashboard
import Synchronization

/// Finds nothing, and remembers what it was asked.
final class RecordingSource: DashboardSource {
  private let questions = Mutex<[String]>([])

  var asked: [String] { questions.withLock { $0 } }

  private func note(_ question: String) { questions.withLock { $0.append(question) } }

  func answers(to question: CompletionQuestion) async throws -> [String] { [] }

  func range(_ query: String, start: Double, end: Double, step: Double) async throws -> [SeriesResult] {
    note(query)
    return []
  }

  func logs(_ query: String, start: Int64, end: Int64, limit: Int) async throws -> [LogLine] {
    note(query)
    return []
  }

  func traces(_ search: TraceSearch) async throws -> [TraceSummary] {
    note(search.tags)
    return []
  }

  func telling(_ tell: @escaping @Sendable (AnswerCoverage) -> Void) -> RecordingSource { self }

  func trace(_ id: String) async throws -> Trace { Trace(id: id, spans: []) }
}
