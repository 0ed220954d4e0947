import NeedletailCluster
import NeedletailCollector
import NeedletailTelemetry

/// All that is held of a write until it is forgotten: what each node gets, and how the definitions are had.
struct WritePayload: Sendable {
  let id: WriteID
  /// The version of the assignment by which the rows were routed.
  let epoch: UInt64
  let parts: ReplicaParts
  /// Those that came with the batch; they go with the first attempt too.
  let definitions: SeriesDefinitions?
  /// Nil where the caller has no others than `definitions`.
  let redefinition: Redefinition?

  /// What it takes in memory, about.
  var byteCount: Int {
    parts.byteCount + (definitions?.frame.bytes.count ?? 0) + (redefinition?.byteCount ?? 0)
  }

  /// Frames of definitions that fit ahead of a batch into one message.
  private static let definitionFramesMax = WriteAppend.framesMax - 1
  private static let frameBytesMax = 2 * Frame.bytesMax

  /// The frames of a part as a message or a hint takes them, definitions first; nil where definitions of all its series
  /// are wanted and cannot be had, or do not fit.
  func frames(of part: ReplicaParts.Part, withDefinitions: Bool) -> [Frame]? {
    guard case .series(let batch) = part.content else { return [part.content.frame] }
    guard let definitions = definitions(of: batch, ofAll: withDefinitions) else { return nil }
    let frames = definitions.map(\.frame) + [batch.frame]
    guard definitions.count <= Self.definitionFramesMax,
      frames.reduce(0, { $0 + $1.bytes.count }) <= Self.frameBytesMax
    else { return nil }
    return frames
  }

  /// Definitions of the series of a batch: those that came with it, or those of all.
  private func definitions(of batch: SeriesBatch, ofAll: Bool) -> [SeriesDefinitions]? {
    guard ofAll || definitions != nil else { return [] }
    var missing = batch.withRows { rows in Set((0..<rows.seriesCount).map { rows.seriesID($0) }) }
    var found: [SeriesDefinitions] = []
    func take(_ source: SeriesDefinitions) -> Bool {
      do throws(MalformedBytes) {
        if let some = try source.selecting({ missing.remove($0) != nil }) { found.append(some) }
        return true
      } catch {
        return false
      }
    }
    if let definitions, !take(definitions) { return nil }
    guard ofAll, !missing.isEmpty else { return found }
    for source in redefinition?() ?? [] where source.tenant == batch.tenant {
      guard !missing.isEmpty else { break }
      guard take(source) else { return nil }
    }
    return missing.isEmpty ? found : nil
  }

  /// The message that brings a node its part; attempt 0 is a hint. Nil as `frames` is.
  func message(_ part: ReplicaParts.Part, attempt: UInt8, withDefinitions: Bool) -> [UInt8]? {
    guard let frames = frames(of: part, withDefinitions: withDefinitions),
      let append = WriteAppend(
        id, attempt: attempt, epoch: epoch, slots: part.slots, frames: frames.map { $0.bytes[...] })
    else { return nil }
    return WriteMessage.append(append).encoded
  }
}
