/// Why a test cannot go on.
package struct TestFailure: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// Polls until `condition` holds; throws what it was waiting for when the time is up.
package nonisolated(nonsending) func eventually(
  seconds: Int, _ what: @autoclosure () -> String, _ condition: () async throws -> Bool
) async throws {
  let deadline = ContinuousClock.now + .seconds(seconds)
  while try await !condition() {
    guard ContinuousClock.now < deadline else { throw TestFailure("after \(seconds) s still not so: \(what())") }
    try await Task.sleep(for: .milliseconds(50))
  }
}
