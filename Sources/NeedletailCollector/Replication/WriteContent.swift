import NeedletailCluster
import NeedletailTelemetry

/// A batch of any signal, as replication sees it: a frame with rows of slots.
package enum WriteContent: Sendable {
  case series(SeriesBatch)
  case events(EventBatch)

  package var frame: Frame {
    switch self {
    case .series(let batch): batch.frame
    case .events(let batch): batch.frame
    }
  }

  /// The slot of each row: the one under which the engines keep it.
  package func slots(_ map: SlotMap) -> [UInt16] {
    switch self {
    case .series(let batch): batch.slots(map)
    case .events(let batch): batch.slots(map)
    }
  }

  /// A batch of these rows, which ascend; nil for none.
  package func selecting(_ rows: ArraySlice<UInt32>) -> WriteContent? {
    switch self {
    case .series(let batch): batch.selecting(rows).map { .series($0) }
    case .events(let batch): batch.selecting(rows).map { .events($0) }
    }
  }

  /// Names a write of this content by the assignment of an epoch: of the head of its frame, which has the batch's id and the
  /// checksum of all bytes.
  ///
  /// So a request that comes again by the same assignment has the same name, and another one never has it.
  package func writeID(epoch: UInt64) -> WriteID {
    WriteID(
      of: frame.bytes.withUnsafeBytes { Hash128.of(UnsafeRawBufferPointer(rebasing: $0.prefix(40))) }, epoch: epoch)
  }
}
