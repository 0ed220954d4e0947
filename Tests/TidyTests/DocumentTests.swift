import Foundation
import Testing

@Suite("Documents that must stay true")
struct DocumentTests {
  private var repository: Repository { .shared }

  @Test("Every Markdown file has exactly one first-level heading")
  func oneHeading() {
    for file in repository.files where file.path.hasSuffix(".md") {
      var isInCode = false
      var count = 0
      for line in file.lines {
        if line.hasPrefix("```") { isInCode.toggle() }
        if !isInCode && line.hasPrefix("# ") { count += 1 }
      }
      #expect(count == 1, "\(file.path) has \(count)")
    }
  }

  @Test("ARCHITECTURE.md gives every target its charter")
  func everyTargetHasItsCharter() throws {
    let architecture = try #require(repository.file("ARCHITECTURE.md"))
    let targets = Set(repository.swift(in: "Sources").map(\.target))
    for target in targets { #expect(architecture.text.contains("`\(target)`"), "no charter for \(target)") }
  }

  @Test("ARCHITECTURE.md gives every package its reason")
  func everyPackageHasItsReason() throws {
    let architecture = try #require(repository.file("ARCHITECTURE.md"))
    let manifest = try #require(repository.file("Package.swift"))
    for match in manifest.text.matches(of: #/url: "https:\/\/github.com\/[^\/]+\/([^"]+?)(?:\.git)?"/#) {
      #expect(architecture.text.contains("`\(match.output.1)`"), "no reason for \(match.output.1)")
    }
  }

  @Test("Every promise names a checker that exists")
  func everyPromiseHasItsChecker() throws {
    let promises = try #require(repository.file("docs/promises.md"))
    let tests = repository.swift(in: "Tests").map(\.text).joined(separator: "\n")
    let rows = promises.lines.filter { $0.hasPrefix("| P") }
    #expect(rows.count >= 8)
    for row in rows {
      let checkers = row.matches(of: #/"([^"]+)"/#).map { $0.output.1 }
      #expect(!checkers.isEmpty, "a promise without a checker: \(row)")
      for checker in checkers { #expect(tests.contains(checker), "no test is called \"\(checker)\"") }
    }
  }

  @Test("The change log has an Unreleased section, and every entry a tag")
  func changeLogIsWellFormed() throws {
    let log = try #require(repository.file("CHANGELOG.md"))
    #expect(log.text.contains("\n## Unreleased\n"))
    for line in log.lines where line.hasPrefix("- ") {
      let isTagged = line.contains(#/^- \[(FEATURE|ENHANCEMENT|PERF|BUGFIX|SECURITY|CHANGE)\] /#)
      #expect(isTagged, "\(line)")
    }
  }

  @Test("Every target's tests mirror it")
  func testsMirrorSources() {
    let tests = Set(repository.swift(in: "Tests").map(\.target))
    for target in Set(repository.swift(in: "Sources").map(\.target)) where target != "NeedletailShop" {
      #expect(tests.contains(target + "Tests"), "no Tests/\(target)Tests")
    }
  }
}
