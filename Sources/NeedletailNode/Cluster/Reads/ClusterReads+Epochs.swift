import NeedletailCluster
import NeedletailQueryEngine

/// Too few nodes answered a read, and one of them knows a newer layout than the one that the read went by.
struct OutdatedLayout: Error {}

extension ClusterReads {
  /// How often it is looked whether a layout has come, and after how many ns each: a second in all.
  private static let looks = 50
  private static let lookEvery: UInt64 = 20_000_000

  /// The layout as soon as it is of this epoch or a later one; what is known where that does not come within a second.
  ///
  /// Throws `QueryError` as long as the node knows none.
  func layout(atLeast epoch: UInt64) async throws(QueryError) -> ClusterLayout {
    for _ in 0..<Self.looks {
      let known = try layout()
      if known.epoch >= epoch || Task.isCancelled { return known }
      await alarm.wait(now.addingClamped(Self.lookEvery))
    }
    return try layout()
  }

  /// Performs a read by the layout that is known, and once more where another node knows a newer one.
  ///
  /// The body is told whether it is the last attempt; before, it may throw `OutdatedLayout`.
  func byCurrentLayout<Result>(
    _ question: ClusterQuestion, _ body: (ClusterLayout, _ isLast: Bool) async throws -> Result
  ) async throws -> Result {
    do { return try await body(try layout(), false) } catch is OutdatedLayout {
      return try await body(try await layout(atLeast: question.newestEpoch), true)
    }
  }

  /// Why a question that was asked by the layout of an epoch is not answered by this one; nil where they are the same.
  ///
  /// A node that knows an older layout waits for the newer one.
  func refusal(of request: ReadMessage.Request) async throws(QueryError) -> ReadMessage? {
    if request.epoch > (try layout()).epoch { heard(request.epoch, request.reader) }
    let known = try await layout(atLeast: request.epoch).epoch
    guard known != request.epoch else { return nil }
    return .failure(
      read: request.read, ask: request.ask.id, epoch: known,
      reason: known > request.epoch ? "it knows a newer layout" : "it knows an older layout")
  }
}
