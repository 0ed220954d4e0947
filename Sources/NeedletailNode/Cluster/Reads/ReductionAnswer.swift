import NeedletailEnvironment
import NeedletailQueryEngine

/// The messages of what is reduced for another node, one reduction behind the other, and then those of rows.
///
/// A reduction says nothing until it is made, so that it has to be told when nobody waits any more.
///
/// `@unchecked Sendable`: one task at a time uses it. Whoever writes the answer asks for a message when the one before is
/// written.
final class ReductionAnswer: PeerMessages, @unchecked Sendable {
  private let context: ConnectionContext
  private let executor: ThreadExecutor
  /// Those that are not made, the last one first.
  private var opened: [OpenedReduction]
  private var writer: ReducedSeriesWriter?
  private let rows: SelectionAnswer?

  init(_ opened: [OpenedReduction], _ rows: SelectionAnswer?, _ context: ConnectionContext, _ executor: ThreadExecutor)
  {
    self.opened = opened.reversed()
    self.rows = rows
    self.context = context
    self.executor = executor
  }

  /// The next message, nil after the last.
  func next() async throws -> [UInt8]? {
    while true {
      if let message = writer?.message() { return message }
      guard let next = opened.popLast() else { break }
      let reduction = OnItsWay(reduction: next)
      writer = ReducedSeriesWriter(try await context.run(on: executor) { try await reduction.reduction.run() })
    }
    writer = nil
    return try await rows?.next()
  }

  /// `@unchecked Sendable`: whoever hands it over keeps nothing of it.
  private struct OnItsWay: @unchecked Sendable {
    let reduction: OpenedReduction
  }
}
