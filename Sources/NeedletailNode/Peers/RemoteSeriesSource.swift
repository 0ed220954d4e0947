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
    do throws(PeerError) {
      let stream = try await channel.open(
        .select, SelectionMessage.encode(selection), within: timeout, messageBytesMax: Self.messageBytesMax)
      return RemoteSeriesCursor(stream, of: channel.address)
    } catch { throw error.queryError(of: channel.address) }
  }

  func labelNames(_ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await list(.labelNames, SelectionMessage.encode(scope, limit: limit), ListMessage.texts)
  }

  func labelValues(_ name: String, _ scope: MetadataScope, limit: Int) async throws -> Listing<String> {
    try await list(.labelValues, SelectionMessage.encode(scope, limit: limit, name: name), ListMessage.texts)
  }

  func series(_ scope: MetadataScope, limit: Int) async throws -> Listing<LabelSet> {
    try await list(.series, SelectionMessage.encode(scope, limit: limit), ListMessage.labelSets)
  }

  func metadata(tenant: TenantID, metric: String?, limit: Int) async throws -> [NamedMetadata] {
    let scope = MetadataScope(tenant: tenant)
    return try await list(
      .metadata, SelectionMessage.encode(scope, limit: limit, name: metric ?? ""), ListMessage.metadata)
  }

  private func list<Answer>(
    _ method: PeerMethod, _ question: [UInt8], _ decode: ([UInt8]) throws(MalformedBytes) -> Answer
  ) async throws -> Answer {
    do throws(PeerError) {
      let answer = try await channel.call(method, question, within: timeout, answerBytesMax: ListMessage.bytesMax)
      do throws(MalformedBytes) { return try decode(answer) } catch { throw .malformed("\(error)") }
    } catch { throw error.queryError(of: channel.address) }
  }
}

/// Reads the messages of a selection as they are wanted.
final class RemoteSeriesCursor: SeriesCursor {
  private let stream: PeerStream
  private let address: ListenAddress
  private var reader = SeriesMessageReader()
  /// Series are handed on when there are so many samples of them.
  private static let chunkSamples = 32_768

  init(_ stream: PeerStream, of address: ListenAddress) {
    self.stream = stream
    self.address = address
  }

  deinit { stream.cancel() }

  var coverage: Coverage { reader.coverage ?? .complete }
  var work: SelectionWork { reader.work }

  func next() async throws -> SeriesColumns? {
    do throws(PeerError) {
      while !reader.isAtEnd, reader.sampleCount < Self.chunkSamples || !reader.hasSeries {
        guard let message = try await stream.next() else { throw .malformed("it ended before its end") }
        do throws(MalformedBytes) { try reader.read(message) } catch { throw .malformed("\(error)") }
      }
      return reader.takeSeries()
    } catch {
      try Task.checkCancellation()
      throw error.queryError(of: address)
    }
  }
}

extension PeerError {
  /// What a query says that failed because of a node.
  func queryError(of address: ListenAddress) -> QueryError {
    switch self {
    case .timedOut: QueryError(.timeout, "node \(address) \(self)")
    case .refused(let code, let message, _) where code == GRPCStatus.Code.resourceExhausted.rawValue:
      QueryError(.execution, message)
    default: QueryError(.internal, "node \(address) \(self)")
    }
  }
}
