/// Settings that cannot be used: every problem that was found, each saying what, where and what to do.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  /// One sentence or two for each problem.
  package let problems: [String]

  /// An error of these problems.
  package init(_ problems: [String]) { self.problems = problems }

  /// One line for each problem.
  package var description: String { problems.joined(separator: "\n") }
}
