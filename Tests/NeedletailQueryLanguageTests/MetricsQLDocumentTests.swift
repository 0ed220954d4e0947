import Foundation
import NeedletailQueryLanguage
import Testing

@Suite("What is written of MetricsQL")
struct MetricsQLDocumentTests {
  @Test("the document of MetricsQL names every one of them")
  func documented() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
    let text = try String(contentsOf: root.appendingPathComponent("docs/metricsql.md"), encoding: .utf8)
    let operations = AggregationOperation.allCases.filter { $0.isMetricsQL && !$0.rawValue.hasPrefix("bottomk_") }
    let names = Function.allCases.filter(\.isMetricsQL).map(\.rawValue) + operations.map(\.rawValue)
    let words = Set(text.split { !$0.isLetter && !$0.isNumber && $0 != "_" }.map(String.init))
    for name in names { #expect(words.contains(name), "\(name)") }
  }
}
