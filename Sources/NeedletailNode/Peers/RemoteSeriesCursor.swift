import NeedletailQueryEngine
import NeedletailTelemetry

/// Reads the messages of a selection as they are wanted.
///
/// What waits here is bounded whatever the other node sends: by the limits of the selection, and a message beyond them.
final class RemoteSeriesCursor: SeriesCursor {
  /// Series are handed on when there are so many samples of them.
  private static let chunkSamples = 32_768

  private let stream: PeerStream
  /// What the node is called in errors.
  private let node: String
  /// What gives the stream up when nobody holds it any more.
  private let holder: ReplicaStream?
  private let limits: SelectionLimits
  private var reader: SeriesMessageReader
  /// What ended the reading early: whoever asks again is told the same.
  private var failure: (any Error)?

  /// With a number of steps a derivation was asked for, and series may be told as what it makes of them.
  init(
    _ stream: PeerStream, of node: String, _ selection: SeriesSelection, stepCount: Int? = nil,
    holding holder: ReplicaStream? = nil
  ) {
    self.stream = stream
    self.node = node
    self.holder = holder
    limits = selection.limits
    reader = SeriesMessageReader(selection.range, stepCount: stepCount)
  }

  deinit { stream.cancel() }

  var coverage: Coverage { reader.coverage ?? .complete }
  var work: SelectionWork { reader.work }

  func next() async throws -> SeriesColumns? {
    if let failure { throw failure }
    do {
      return try await read()
    } catch {
      failure = error
      stream.cancel()
      throw error
    }
  }

  private func read() async throws -> SeriesColumns? {
    do throws(PeerError) {
      while !reader.isAtEnd, reader.sampleCount < Self.chunkSamples || !reader.hasSeries {
        guard reader.seriesRead <= limits.series, reader.samplesRead <= limits.samples else { break }
        guard let message = try await stream.next() else { throw .malformed("it ended before its end") }
        do throws(MalformedBytes) { try reader.read(message) } catch { throw .malformed("\(error)") }
      }
    } catch {
      try Task.checkCancellation()
      throw error.queryError(of: node)
    }
    guard reader.seriesRead <= limits.series, reader.samplesRead <= limits.samples else {
      throw QueryError(
        .execution,
        "node \(node) answered with more than \(limits.series) series or \(limits.samples) samples")
    }
    return reader.takeSeries()
  }
}
