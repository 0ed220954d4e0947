/// Why the server cannot start, in words for the person who started it.
package struct StartupError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What happened, where, and what to do.
  package let description: String

  /// An error with this text.
  package init(_ description: String) { self.description = description }
}
