import NeedletailTelemetry

/// A node's rows of a write, as a message and as a hint hold them.
package struct WriteAppend: Equatable, Sendable {
  package static let framesMax = 4

  package let write: WriteID
  /// Which attempt it is; 0 for a hint.
  package let attempt: UInt8
  /// The version of the assignment by which the rows were routed.
  ///
  /// While members change, a collector that does not know of it yet writes to the old owners alone, and the new ones may have been
  /// filled before. So a replica that knows a newer assignment for one of the slots refuses; a hint it takes all the same.
  package let epoch: UInt64
  /// The slots of its rows, ascending, none twice.
  package let slots: [UInt16]
  /// The frames as the log takes them: definitions first, where they are wanted.
  package let frames: [ArraySlice<UInt8>]

  /// Nil where there are no slots, they do not ascend, or frames are none, too many, empty or larger than a frame may be.
  package init?(
    _ write: WriteID, attempt: UInt8, epoch: UInt64, slots: [UInt16], frames: [ArraySlice<UInt8>]
  ) {
    guard !slots.isEmpty, zip(slots, slots.dropFirst()).allSatisfy({ $0 < $1 }),
      (1...Self.framesMax).contains(frames.count), frames.allSatisfy({ (1...Frame.bytesMax).contains($0.count) })
    else { return nil }
    self.write = write
    self.attempt = attempt
    self.epoch = epoch
    self.slots = slots
    self.frames = frames
  }

  func encode(to writer: inout ByteWriter) {
    writer.append(write.bits)
    writer.append(attempt)
    writer.appendVarint(epoch)
    writer.appendVarint(UInt64(slots.count))
    var before: UInt16?
    for slot in slots {
      // What ascends is written as what lies between: one byte for nearly all.
      writer.appendVarint(UInt64(before.map { slot - $0 - 1 } ?? slot))
      before = slot
    }
    writer.append(UInt8(truncatingIfNeeded: frames.count))
    for frame in frames {
      writer.appendVarint(UInt64(frame.count))
      writer.append(frame)
    }
  }

  /// Reads what follows the id and the attempt; `bytes` is what the reader reads.
  init(
    _ write: WriteID, attempt: UInt8, decoding reader: inout ByteReader, in bytes: [UInt8]
  ) throws(MalformedBytes) {
    let epoch = try reader.readVarint()
    let count = try reader.readCount()
    guard (1...SlotMap.countMax).contains(count) else { throw .invalid("no slots, or too many") }
    var slots: [UInt16] = []
    slots.reserveCapacity(count)
    var next: UInt64 = 0
    for _ in 0..<count {
      let (sum, isTooMuch) = next.addingReportingOverflow(try reader.readVarint())
      guard !isTooMuch, let slot = UInt16(exactly: sum) else { throw .invalid("a slot beyond all slots") }
      slots.append(slot)
      next = sum + 1
    }
    let frameCount = Int(try reader.read(UInt8.self))
    guard (1...Self.framesMax).contains(frameCount) else { throw .invalid("no frames, or too many") }
    var frames: [ArraySlice<UInt8>] = []
    for _ in 0..<frameCount {
      let length = try reader.readPrefixed().count
      guard (1...Frame.bytesMax).contains(length) else { throw .invalid("a frame that is empty or too large") }
      frames.append(bytes[(reader.offset - length)..<reader.offset])
    }
    self.write = write
    self.attempt = attempt
    self.epoch = epoch
    self.slots = slots
    self.frames = frames
  }
}
