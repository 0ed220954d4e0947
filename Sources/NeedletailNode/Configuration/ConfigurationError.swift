/// Settings that cannot be used: every problem that was found, each saying what, where and what to do.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One sentence or two for each problem.
  package let problems: [String]
  /// Whether the file of settings could not be read, so that nothing is known of what it holds.
  package let isUnreadable: Bool

  /// An error of these problems.
  package init(_ problems: [String], isUnreadable: Bool = false) {
    self.problems = problems
    self.isUnreadable = isUnreadable
  }

  /// One line for each problem.
  package var description: String { problems.joined(separator: "\n") }
}
