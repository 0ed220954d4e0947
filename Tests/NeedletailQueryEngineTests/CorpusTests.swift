import Foundation
import NeedletailTelemetry
import Testing

@testable import NeedletailQueryEngine

@Suite("Scripts state what queries yield")
struct CorpusTests {
  static var corpus: [String] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Corpus")
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".test") }.sorted().map { folder.appendingPathComponent($0).path }
  }

  @Test("every evaluation of the corpus yields what its script states", arguments: corpus)
  func evaluations(file: String) async throws {
    let script = ScriptReader(try String(contentsOfFile: file, encoding: .utf8))
    #expect(script.unreadable.isEmpty)
    #expect(!script.evaluations.isEmpty)
    for evaluation in script.evaluations {
      let problem = await ScriptRunner.run(evaluation)
      #expect(problem == nil, "\(file):\(evaluation.line): \(evaluation.query)")
    }
  }

  @Test(
    "a corpus from elsewhere runs unchanged, and its score is printed file by file",
    .enabled(if: ProcessInfo.processInfo.environment["NEEDLETAIL_PROMQL_CORPUS"] != nil))
  func foreignCorpus() async throws {
    let folder = ProcessInfo.processInfo.environment["NEEDLETAIL_PROMQL_CORPUS"] ?? ""
    for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() where name.hasSuffix(".test") {
      // Prometheus runs its own with both of its feature flags.
      let script = ScriptReader(
        try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8),
        features: QueryFeatures(delaysNameRemoval: true))
      var passed = 0
      for evaluation in script.evaluations {
        if let problem = await ScriptRunner.run(evaluation) {
          print("FAIL \(name):\(evaluation.line): \(evaluation.query)\n     \(problem)")
        } else {
          passed += 1
        }
      }
      for (line, message) in script.unreadable { print("UNREADABLE \(name):\(line): \(message)") }
      print("SCORE \(name): \(passed) of \(script.evaluations.count)")
    }
  }
}
