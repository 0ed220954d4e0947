/// A list that a source answered.
package struct Listing<Element> {
  package var elements: [Element]
  /// How much of what was asked the list covers.
  package var coverage: Coverage

  /// A list; by default a complete one.
  package init(_ elements: [Element], coverage: Coverage = .complete) {
    self.elements = elements
    self.coverage = coverage
  }
}

extension Listing: Sendable where Element: Sendable {}
