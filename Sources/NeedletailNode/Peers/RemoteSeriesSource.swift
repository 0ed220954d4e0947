import NeedletailQueryEngine
import NeedletailTelemetry

/// The series of another node, asked over the network.
///
/// What it answers is what that node has, not what the cluster has. A node that cannot be reached is a `QueryError` that
/// names it.
struct RemoteSeriesSource: SeriesSource {
  /// The largest message of an answer: a full one and the largest record.
  private static let messageBytesMax = 8 << 20

  let channel: PeerChannel
  /// How long an answer may take, all of it.
  let timeout: Duration

  func select(_ selection: SeriesSelection) async throws -> any SeriesCursor {
    let question = try SelectionMessage.encode(selection)
    do throws(PeerError) {
      let stream = try await channel.open(
        .select, question, within: timeout, messageBytesMax: Self.messageBytesMax)
      return RemoteSeriesCursor(stream, of: channel.address.description, selection)
    } catch {
      try Task.checkCancellation()
      throw error.queryError(of: channel.address)
    }
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await list(.labelNames, try SelectionMessage.encode(scope, limit: limit), limit, ListMessage.texts)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await list(.labelValues, try SelectionMessage.encode(scope, limit: limit, name: name), limit, ListMessage.texts)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    try await list(.series, try SelectionMessage.encode(scope, limit: limit), limit, ListMessage.labelSets)
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    let scope = MetadataScope(tenant: tenant)
    return try await list(
      .metadata, try SelectionMessage.encode(scope, limit: limit, name: metric ?? ""), limit, ListMessage.metadata)
  }

  private func list<Answer>(
    _ method: PeerMethod, _ question: [UInt8], _ limit: Int, _ decode: ([UInt8], Int) throws(MalformedBytes) -> Answer
  ) async throws -> Answer {
    do throws(PeerError) {
      let answer = try await channel.call(method, question, within: timeout, answerBytesMax: ListMessage.bytesMax)
      do throws(MalformedBytes) { return try decode(answer, limit) } catch { throw .malformed("\(error)") }
    } catch {
      try Task.checkCancellation()
      throw error.queryError(of: channel.address)
    }
  }
}

extension PeerError {
  /// What a query says that failed because of a node.
  func queryError(of address: some CustomStringConvertible) -> QueryError {
    switch self {
    case .timedOut: QueryError(.timeout, "node \(address) \(self)")
    case .refused(let code, let message, _):
      switch GRPCStatus.Code(rawValue: code) {
      case .cancelled: QueryError(.canceled, "node \(address): \(message)")
      case .invalidArgument: QueryError(.badData, message)
      case .deadlineExceeded: QueryError(.timeout, "node \(address): \(message)")
      case .resourceExhausted: QueryError(.execution, message)
      case .unavailable: QueryError(.unavailable, "node \(address): \(message)")
      default: QueryError(.internal, "node \(address) \(self)")
      }
    case .unreachable: QueryError(.unavailable, "node \(address) \(self)")
    case .malformed: QueryError(.internal, "node \(address) \(self)")
    }
  }
}
