/// What is wrong with what was read back.
struct Verdict: Hashable, Sendable, CustomStringConvertible {
  /// Acknowledged and not there.
  private(set) var lost: [Entry] = []
  /// There and never sent.
  private(set) var invented: [Entry] = []
  /// There more than once.
  private(set) var duplicated: [Entry] = []
  /// Answers that could not be read.
  var unreadable: [String] = []

  /// Holds `read`, all that an answer has of some signals, against what was acknowledged before it was asked for and all
  /// that was sent until it came.
  init(_ read: [Entry], acknowledged: Set<Entry>, attempted: Set<Entry>) {
    var seen = Set<Entry>()
    for entry in read where !seen.insert(entry).inserted { duplicated.append(entry) }
    lost = acknowledged.subtracting(seen).sorted()
    invented = seen.subtracting(attempted).sorted()
  }

  var isClean: Bool { lost.isEmpty && invented.isEmpty && duplicated.isEmpty && unreadable.isEmpty }

  var description: String {
    func some(_ what: String, _ entries: [Entry]) -> String {
      "\(entries.count) \(what)" + (entries.isEmpty ? "" : " (\(entries.prefix(5).map(\.description)))")
    }
    let counts = [some("lost", lost), some("invented", invented), some("duplicated", duplicated)]
    return (counts + unreadable.prefix(3)).joined(separator: ", ")
  }
}
