import NeedletailCollector
import NeedletailTelemetry

/// The byte forms of a batch on its way to another node and of what became of it there: docs/formats/peer.md.
enum AppendMessage {
  static let version: UInt8 = 1
  /// The longest reason that an outcome tells, in bytes.
  private static let reasonMax = 4096

  /// What is to be kept: frames as they go to the log, definitions before the batch that needs them.
  enum Content: Sendable {
    case series(SeriesBatch, SeriesDefinitions?)
    case definitions(SeriesDefinitions)
    case events(EventBatch)
  }

  /// The largest message: a frame, its definitions and what stands around both.
  static let bytesMax = 2 * Frame.bytesMax + 64

  static func encode(_ content: Content) -> [UInt8] {
    let frames: [[UInt8]] =
      switch content {
      case .series(let batch, let definitions): [definitions?.frame.bytes, batch.frame.bytes].compactMap { $0 }
      case .definitions(let definitions): [definitions.frame.bytes]
      case .events(let batch): [batch.frame.bytes]
      }
    var writer = ByteWriter(reserving: frames.reduce(8) { $0 + $1.count + 8 })
    writer.append(version)
    writer.append(UInt8(truncatingIfNeeded: frames.count))
    for frame in frames { frame.withUnsafeBytes { writer.appendPrefixed($0) } }
    return writer.bytes
  }

  static func decode(_ bytes: [UInt8]) throws(MalformedBytes) -> Content {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("a batch of an unknown version") }
      let count = try reader.read(UInt8.self)
      let first = try Frame(validating: try reader.readPrefixed())
      let second = count == 2 ? try Frame(validating: try reader.readPrefixed()) : nil
      switch (first.kind, second?.kind, count) {
      case (.seriesSamples, nil, 1): return .series(try SeriesBatch(validating: first), nil)
      case (.seriesDefinitions, nil, 1): return .definitions(try SeriesDefinitions(validating: first))
      case (.logs, nil, 1), (.spans, nil, 1): return .events(try EventBatch(validating: first))
      case (.seriesDefinitions, .seriesSamples, 2):
        guard let second else { throw .truncated }
        return .series(try SeriesBatch(validating: second), try SeriesDefinitions(validating: first))
      default: throw .invalid("frames that do not belong together")
      }
    }
  }

  /// What the node's own sink said.
  static func encode(_ outcome: Result<SinkOutcome, SinkError>) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(version)
    func fail(_ code: UInt8, _ reason: String) {
      writer.append(code)
      writer.appendPrefixed(String(decoding: reason.utf8.prefix(reasonMax), as: UTF8.self))
    }
    switch outcome {
    case .success(let outcome):
      writer.append(UInt8(0))
      for count in [outcome.tooOld, outcome.outOfWindow, outcome.tooNew] {
        writer.appendVarint(UInt64(clamping: count))
      }
    case .failure(.unknownSeries): writer.append(UInt8(1))
    case .failure(.overloaded(let seconds)):
      writer.append(UInt8(2))
      writer.appendVarint(UInt64(clamping: seconds))
    case .failure(.unavailable(let reason, _)): fail(3, reason)
    case .failure(.outOfRetention(let reason)): fail(4, reason)
    case .failure(.outOfWindow(let reason)): fail(5, reason)
    case .failure(.refused(let reason)): fail(6, reason)
    case .failure(.tooFarInFuture(let reason)): fail(7, reason)
    }
    return writer.bytes
  }

  static func decodeOutcome(_ bytes: [UInt8]) throws(MalformedBytes) -> Result<SinkOutcome, SinkError> {
    try SelectionMessage.reading(bytes) { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == version else { throw .invalid("an outcome of an unknown version") }
      switch try reader.read(UInt8.self) {
      case 0:
        let tooOld = try reader.readPeerCount()
        let outOfWindow = try reader.readPeerCount()
        return .success(
          SinkOutcome(tooOld: tooOld, outOfWindow: outOfWindow, tooNew: try reader.readPeerCount()))
      case 1: return .failure(.unknownSeries)
      case 2: return .failure(.overloaded(retryAfterSeconds: try reader.readPeerCount()))
      case 3: return .failure(.unavailable(reason: try reader.readPrefixedString()))
      case 4: return .failure(.outOfRetention(reason: try reader.readPrefixedString()))
      case 5: return .failure(.outOfWindow(reason: try reader.readPrefixedString()))
      case 6: return .failure(.refused(reason: try reader.readPrefixedString()))
      case 7: return .failure(.tooFarInFuture(reason: try reader.readPrefixedString()))
      default: throw .invalid("an unknown outcome")
      }
    }
  }
}
