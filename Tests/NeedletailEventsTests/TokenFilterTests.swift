import NeedletailEnvironment
import Testing

@testable import NeedletailEvents

@Suite("Token filters") struct TokenFilterTests {
  private func filter(_ texts: [String]) throws -> TokenFilter {
    var builder = TokenFilterBuilder()
    for text in texts { Array(text.utf8).withUnsafeBytes { builder.add($0) } }
    return try required(TokenFilter(builder.build()))
  }

  @Test("A filter never hides a text that contains the needle", arguments: 1...20 as ClosedRange<UInt64>)
  func neverHides(seed: UInt64) throws {
    var generator = EventGenerator(seed: seed)
    let texts = (0..<200).map { _ in generator.line() }
    let filter = try filter(texts)
    for text in texts {
      let scalars = Array(text.unicodeScalars)
      let start = Int.random(in: 0...scalars.count, using: &generator.random)
      let end = Int.random(in: start...scalars.count, using: &generator.random)
      let needle = String(String.UnicodeScalarView(scalars[start..<end]))
      #expect(filter.mayContain(TokenProbe(substring: needle)), "'\(needle)' of '\(text)'")
      #expect(filter.mayContain(TokenProbe(whole: text)))
    }
  }

  @Test("A filter rejects nearly all needles that are nowhere")
  func rejects() throws {
    var generator = EventGenerator(seed: 3)
    let filter = try filter((0..<2000).map { _ in generator.line() })
    let wrong = (0..<1000).filter { filter.mayContain(TokenProbe(substring: "zebra\($0)quagga")) }
    #expect(wrong.count < 20)
  }

  @Test("A builder that was used builds a fresh filter")
  func reuse() throws {
    var builder = TokenFilterBuilder()
    Array("alphabet".utf8).withUnsafeBytes { builder.add($0) }
    _ = builder.build()
    Array("12345".utf8).withUnsafeBytes { builder.add($0) }
    let second = try required(TokenFilter(builder.build()))
    #expect(second.mayContain(TokenProbe(whole: "12345")))
    #expect(!second.mayContain(TokenProbe(whole: "alphabet")))
  }
}
