import NeedletailTerminal
import NeedletailTestSupport
import Testing

@testable import NeedletailCLI

@Suite("A cluster, as it is printed")
struct ClusterReportTests {
  private func text(_ lines: [StyledText]) -> String { lines.map { $0.string + "\n" }.joined() }

  private func state(_ text: String = ClusterAnswer.status) throws -> ClusterState {
    try ClusterState(Array(text.utf8), path: "/x")
  }

  private func ring() throws -> ClusterRing { try ClusterRing(Array(ClusterAnswer.ring.utf8), path: "/x") }

  @Test("a glance tells who is up, what can be read and written, what waits, and how far a change is")
  func glance() throws {
    try expectGolden(text(ClusterReport(state: try state()).glance()), "cluster-status")
    try expectGolden(text(ClusterReport(state: try state(ClusterAnswer.unformed)).glance()), "cluster-unformed")
  }

  @Test("who holds no slots is not counted among those who are up")
  func spare() throws {
    func nodes(_ change: (String) -> String) throws -> String {
      let lines = ClusterReport(state: try state(change(ClusterAnswer.status))).glance()
      return try #require(lines.first { $0.string.hasPrefix("nodes") }).string
    }
    #expect(try nodes { $0 }.hasSuffix("3 of 4 up; n3 dead"))
    let drained = try nodes { $0.replacing(#""slots":0,"arriving":700"#, with: #""slots":0,"arriving":0"#) }
    #expect(drained.hasSuffix("2 of 3 up; n3 dead; without slots: n4"))
    // One that takes requests in, or answers them, never holds any.
    let query = try nodes { $0.replacing(#""left","roles""#, with: #""alive","roles""#) }
    #expect(query.hasSuffix("4 of 5 up; n3 dead"))
  }

  @Test("nodes stand in a table, in a pipe as wide as they are, on a screen no wider than that")
  func nodes() throws {
    let report = ClusterReport(state: try state())
    try expectGolden(text(report.nodes(columns: nil)), "cluster-nodes")
    for line in report.nodes(columns: 80) { #expect(line.width <= 80, "\(line.string)") }
  }

  @Test("the ring is told by groups of nodes, or slot by slot")
  func ringTables() throws {
    try expectGolden(text(try ring().summary(columns: nil)), "cluster-ring")
    try expectGolden(text(try ring().list(columns: nil)), "cluster-ring-slots")
    #expect(try ClusterRing(Array(#"{"data":{"slots":[]}}"#.utf8), path: "/x").summary(columns: nil).count == 1)
  }

  @Test("a plan tells who gives what to whom, and whether it was only asked about")
  func plan() throws {
    let dry = try ClusterMoves(Array(ClusterAnswer.plan.utf8), path: "/x")
    #expect(dry.isDryRun && dry.warnings == ["n3 is dead: what it holds alone is not moved"])
    try expectGolden(text(dry.lines(columns: nil)), "cluster-plan")
    let begun = try ClusterMoves(Array(#"{"data":{"epoch":9,"dryRun":false,"moves":[]}}"#.utf8), path: "/x")
    #expect(text(begun.lines(columns: nil)) == "nothing moves; the assignment is version 9\n")
  }

  @Test("the bar of a change is full at its end, and empty at its begin")
  func bar() {
    func bar(_ filled: Int, of slots: Int) -> String {
      text(ClusterReport.lines(of: .init(what: "x", slots: slots, filled: filled)))
    }
    #expect(bar(0, of: 9).contains(" " + String(repeating: "·", count: 30) + " 0.0 %, 0 of 9 replicas"))
    #expect(bar(9, of: 9).contains(String(repeating: "█", count: 30) + " 100.0 %, 9 of 9 replicas"))
    #expect(bar(8, of: 9).contains("88.8 %"))
    #expect(bar(12, of: 9).contains("100.0 %"))
    #expect(bar(0, of: 0).contains("nothing is left to be filled") && !bar(0, of: 0).contains("%"))
  }

  @Test("what a server says steers no terminal")
  func hostileText() throws {
    let hostile = #"\u001b[2J\u202egnp.exe"#
    let status = ClusterAnswer.status.replacing("west", with: hostile).replacing("adding n4", with: hostile)
      .replacing(#""dead""#, with: "\"\(hostile)\"").replacing("00c0ffee", with: hostile)
      .replacing("127.0.0.1", with: hostile).replacing(#""n3""#, with: "\"\(hostile)\"")
    let ring = try ClusterRing(Array(ClusterAnswer.ring.replacing("n3", with: hostile).utf8), path: "/x")
    let plan = try ClusterMoves(Array(ClusterAnswer.plan.replacing("n1", with: hostile).utf8), path: "/x")
    let report = ClusterReport(state: try state(status))
    let lines =
      report.glance() + report.nodes(columns: nil) + ring.summary(columns: nil) + ring.list(columns: nil)
      + plan.lines(columns: nil)
    let all = text(lines)
    #expect(!all.contains("\u{1B}") && !all.contains("\u{202E}") && all.contains("gnp.exe"))
  }

  @Test("counts beyond all measure are cut, and never trap")
  func largeCounts() throws {
    let many = #"99999999999999999999"#
    #expect(throws: APIFailure.self) { try state(ClusterAnswer.status.replacing("1024", with: many)) }
    let most = "9223372036854775807"
    let report = ClusterReport(
      state: try state(
        ClusterAnswer.status.replacing("1024", with: most).replacing("700", with: most)
          .replacing("3145728", with: most).replacing("256", with: "-\(most)")))
    #expect(!report.glance().isEmpty && report.nodes(columns: nil).count == 6)
    let plan = try ClusterMoves(Array(ClusterAnswer.plan.replacing("256", with: most).utf8), path: "/x")
    #expect(!plan.lines(columns: nil).isEmpty)
  }

  @Test("an answer of another shape is told as such")
  func otherShapes() {
    for text in ["", "[]", "{}", #"{"data":{}}"#, #"{"data":{"node":"a","nodes":[{}]}}"#, "<html>"] {
      #expect(throws: APIFailure.self, "\(text)") { try state(text) }
      #expect(throws: APIFailure.self, "\(text)") { try ClusterRing(Array(text.utf8), path: "/x") }
      #expect(throws: APIFailure.self, "\(text)") { try ClusterMoves(Array(text.utf8), path: "/x") }
    }
  }
}
