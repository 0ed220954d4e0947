import NeedletailTestSupport
import Testing

@testable import NeedletailQueryLanguage

@Suite("Queries are completed")
struct CompletionTests {
  /// What may stand at the bar of a text.
  private func complete(_ marked: String) throws -> Completion? {
    let parts = marked.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
    let text = parts.joined()
    return Completion.at(try #require(parts.first).utf8.count, in: text)
  }

  /// The selection, in the form in which it would be asked for.
  private func words(_ completion: Completion?) -> [String] { completion?.words.map(\.text) ?? [] }

  @Test(
    "A place tells what may stand there",
    arguments: [
      ("|", "metric function aggregation"), ("ra|", "metric function aggregation"),
      ("sum(|", "metric function aggregation"), ("sum(a, |", "metric function aggregation"),
      ("a + |", "metric function aggregation matching"), ("a / bo|", "metric function aggregation matching"),
      ("-|", "metric function aggregation"), ("a or |", "metric function aggregation matching"),
      ("a + on (x) |", "metric function aggregation matching"),
      ("a |", "operation modifier"), ("rate(a[5m]) |", "operation modifier"), ("a[5m] off|", "operation modifier"),
      ("sum(a) |", "grouping operation modifier"), ("sum |", "grouping operation modifier"),
      ("sum by (x) (a) |", "operation modifier"), ("a offset |", "duration"), ("a[|", "duration"), ("a[5|", "duration"),
      ("a[1h:|", "duration"), ("a @ |", "moment"), ("logs{} | |", "stage"), ("logs{} |", "operation"),
      ("1 + 2 |", "operation modifier"), ("sum by |", ""), ("a{b|", "label"), ("a{b |", ""), ("a{b=\"c\"|", ""),
      ("a{b=\"c\" |", ""), ("a # |", ""), ("a ! |", ""),
      ("WITH (x = |", "metric function aggregation"), ("WITH (x = 1) |", "metric function aggregation"),
      ("{\"a|", "label metric"), ("rate({\"|", "label metric"), ("a{\"b|", "label"), ("label_set(up, \"|", "label"),
      ("label_replace(up, \"x\", \"$1\", \"in|", "label"), ("\"|", ""), ("count_values(\"|", ""),
    ])
  func places(marked: String, wanted: String) throws {
    // Where the text has a bar of its own, the place is at the last one.
    let place = try #require(marked.lastIndex(of: "|"))
    let text = String(marked[..<place]) + marked[marked.index(after: place)...]
    let completion = Completion.at(marked[..<place].utf8.count, in: text)
    let kinds = Set(
      (completion?.wants ?? []).map { want in
        switch want {
        case .metric: "metric"
        case .labelName: "label"
        case .labelValue: "value"
        case .word(let kind): "\(kind)"
        }
      })
    #expect(kinds == Set(wanted.split(separator: " ").map(String.init)), "\(kinds)")
  }

  @Test("Labels are asked for with what is selected so far, before or behind the place")
  func selections() throws {
    func selector(_ marked: String) throws -> String? {
      for want in try complete(marked)?.wants ?? [] {
        if case .labelName(let selection) = want { return selection?.selector() }
        if case .labelValue(let name, let selection) = want {
          return name + " " + (selection.selector(besides: name) ?? "")
        }
      }
      return nil
    }
    #expect(try selector("up{|") == "{__name__=\"up\"}")
    #expect(try selector("up{job=\"a\", |}") == "{__name__=\"up\", job=\"a\"}")
    #expect(try selector("{|") == nil)
    #expect(try selector("{\"a.b\", |") == "{__name__=\"a.b\"}")
    #expect(try selector("up{job=\"a\", instance=~\"|") == "instance {__name__=\"up\", job=\"a\"}")
    #expect(try selector("up{job=|") == "job {__name__=\"up\"}")
    #expect(try selector("up{job!=\"x\", job=\"|") == "job {__name__=\"up\"}")
    #expect(try selector("{__name__=\"|") == "__name__ ")
    #expect(try selector("sum(rate(a{x='1'}[5m])) by (|") == "{__name__=\"a\", x=\"1\"}")
    #expect(try selector("sum by (|) (rate(a{x='1'}[5m]))") == "{__name__=\"a\", x=\"1\"}")
    #expect(try selector("sum by (y, |) (a)") == "{__name__=\"a\"}")
    #expect(try selector("a / on (|") == "{__name__=\"a\"}")
    #expect(try selector("logs{service=\"|") == "service ")
  }

  @Test("A choice takes the place of the word that it completes, with quotes where they are due")
  func insertions() throws {
    func choose(_ marked: String, _ value: String, isName: Bool = false) throws -> String {
      let completion = try #require(try complete(marked))
      var bytes = Array(marked.replacing("|", with: "").utf8)
      let text = isName ? completion.insertion(ofName: value) : completion.insertion(ofValue: value)
      bytes.replaceSubrange(completion.span.start..<completion.span.end, with: text.utf8)
      return String(decoding: bytes, as: UTF8.self)
    }
    #expect(try choose("up{job=\"no|", "node") == "up{job=\"node\"")
    #expect(try choose("up{job=\"no|\"}", "node") == "up{job=\"node\"}")
    #expect(try choose("up{job=|}", "a\"b\\") == "up{job=\"a\\\"b\\\\\"}")
    #expect(try choose("up{job='|", "it's \"x\"") == "up{job='it\\'s \"x\"'")
    #expect(try choose("up{job=`|", "a\\d") == "up{job=`a\\d`")
    #expect(try choose("up{j|ob=\"x\"}", "job", isName: true) == "up{job=\"x\"}")
    #expect(try choose("up{|}", "a.b", isName: true) == "up{\"a.b\"}")
    #expect(try choose("sum(ra|)", "rate", isName: true) == "sum(rate)")
  }

  @Test("Words are found by how they begin, PromQL's ahead of the others")
  func wordLists() throws {
    #expect(words(try complete("histogram_q|")) == ["histogram_quantile", "histogram_quantiles"])
    #expect(words(try complete("rate|")).first == "rate")
    #expect(words(try complete("rate|")).contains("rate_over_sum"))
    #expect(words(try complete("sum(x) b|")) == ["by"])
    #expect(words(try complete("a un|")) == ["unless"])
    #expect(words(try complete("a[1|")) == ["1m", "10m", "15m", "1h", "12h", "1d"])
    #expect(words(try complete("TOP|")).contains("topk"))
  }

  @Test("Every function and aggregation tells what it does, in one short line")
  func summaries() {
    for word in CompletionWord.all(.function) + CompletionWord.all(.aggregation) {
      #expect(!word.summary.isEmpty && word.summary.utf8.count <= 100, "\(word.text): \(word.summary)")
      #expect(!word.summary.contains("\n") && word.detail.hasPrefix("("), "\(word.text)")
    }
  }

  @Test("No text and no place in it stops a completion, and what it replaces lies around the place", arguments: 1...20)
  func anyText(seed: UInt64) throws {
    var generator = TelemetryGenerator(seed: seed)
    let pieces = [
      "sum", "by", "(", ")", "{", "}", "[", "]", "a", "=", "=~", "\"b\"", "'", "\"", "`", ",", "|", "+", "-", "or",
      "on",
      "logs", "5m", "@", "offset", "#", "\n", " ", "é", "rate", ":", "json", "!", "\\",
    ]
    for _ in 0..<200 {
      var text = ""
      for _ in 0..<generator.int(0...25) { text += pieces[generator.int(0...pieces.count - 1)] }
      for offset in 0...text.utf8.count {
        guard let completion = Completion.at(offset, in: text) else { continue }
        #expect(
          completion.span.start >= 0 && completion.span.end <= text.utf8.count, "seed \(seed): \(text) at \(offset)")
        #expect(completion.span.start <= offset && completion.span.end >= offset, "seed \(seed): \(text) at \(offset)")
      }
    }
  }
}
