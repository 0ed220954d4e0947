/// Numbers of things in words.
package enum Counted {
  /// `1 part`, `2 parts`: for nouns whose plural has an s.
  package static func text(_ count: some BinaryInteger, _ noun: String) -> String {
    count == 1 ? "1 \(noun)" : "\(count) \(noun)s"
  }
}
