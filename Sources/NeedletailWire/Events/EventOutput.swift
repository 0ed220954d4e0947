// What the decoders of logs and spans share: the walk over resources and scopes, and the batches that they fill.

import NeedletailOTLP
import NeedletailTelemetry

/// Bounds on log records and spans.
package struct EventLimits: Sendable {
  /// Bytes of one record, or of one resource and scope, as they were sent.
  package var recordBytesMax = 1 << 20
  /// Records in one request: an empty record is two bytes on the wire and about 100 in memory.
  package var recordsMax = 1 << 20

  package init() {}
}

/// What a decoder of events needs to know beside the body.
package struct EventDecoding: Sendable {
  package let tenant: TenantID
  /// Names the batches, so that a retry of the same body is recognised.
  package let batchID: Hash128
  package let limits: EventLimits
  /// The receiver's time in nanoseconds since 1970: for records that carry no time at all.
  package let now: Int64

  package init(tenant: TenantID, batchID: Hash128, limits: EventLimits = EventLimits(), now: Int64) {
    self.tenant = tenant
    self.batchID = batchID
    self.limits = limits
    self.now = now
  }
}

/// What a request of logs or spans came to.
package struct DecodedEvents: Sendable {
  package internal(set) var batches: [EventBatch] = []
  package internal(set) var recordCount = 0
  package internal(set) var rejections = Rejections()
}

/// Collects records and cuts batches before they grow too large for a frame, or for a linear search among their
/// streams.
struct EventOutput {
  /// Leaves room for the largest record, whose byte form is at most a few times as long as what was sent.
  private static let cutBytes = Frame.bytesMax / 2
  private static let streamsMax = 1024

  let decoding: EventDecoding
  var builder: EventBatchBuilder
  var decoded = DecodedEvents()
  private var stream = ByteWriter()
  private var streamIndex: UInt32?
  private var streamBytes = 0

  init(kind: Frame.Kind, _ decoding: EventDecoding) {
    self.decoding = decoding
    builder = EventBatchBuilder(kind: kind, tenant: decoding.tenant)
  }

  /// Sets the stream of the records that follow; false where it is not allowed.
  mutating func setStream(
    resource: UnsafeRawBufferPointer, scope: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> Bool {
    streamIndex = nil
    stream.removeAll()
    guard resource.count + scope.count <= decoding.limits.recordBytesMax else { return false }
    try AttributeTranscoder.appendStream(resource: resource, scope: scope, to: &stream)
    return true
  }

  /// Begins a record of the stream.
  mutating func beginRow() {
    if builder.byteCountEstimate > Self.cutBytes { cut() }
    if streamIndex == nil {
      if streamBytes > Self.cutBytes { cut() }
      streamBytes += stream.count
    }
    let index = streamIndex ?? stream.bytes.withUnsafeBytes { builder.stream(encoded: $0) }
    streamIndex = index
    builder.row.stream = index
  }

  /// Completes the record.
  mutating func endRow() {
    builder.endRow()
    decoded.recordCount += 1
    if let index = streamIndex, Int(index) >= Self.streamsMax { cut() }
  }

  mutating func reject(_ reason: RejectionReason, count: Int = 1, _ detail: String) {
    guard count > 0 else { return }
    decoded.rejections.add(reason, count: count, detail: detail)
  }

  private mutating func cut() {
    let index = UInt64(decoded.batches.count)
    let id = Hash128(high: decoding.batchID.high, low: decoding.batchID.low &+ index)
    let rows = builder.rowCount
    if let batch = builder.build(batchID: id) {
      decoded.batches.append(batch)
    } else {
      reject(.recordTooLarge, count: rows, "records do not fit into one batch")
      decoded.recordCount -= rows
    }
    streamIndex = nil
    streamBytes = 0
  }

  mutating func finish() -> DecodedEvents {
    cut()
    return decoded
  }

  /// Walks the records of an export request; `record` decodes one and says what forbids it, if anything does.
  static func walk(
    _ body: UnsafeRawBufferPointer, kind: Frame.Kind, _ decoding: EventDecoding,
    record: (UnsafeRawBufferPointer, inout EventOutput) throws(ProtobufError) -> (RejectionReason, String)?
  ) throws(ProtobufError) -> DecodedEvents {
    var output = EventOutput(kind: kind, decoding)
    var resources = OTLPGroup.resources(of: body)
    while let next = try resources.next() {
      let resource = try OTLPGroup(next)
      var scopes = resource.members
      while let next = try scopes.next() {
        try output.decodeScope(try OTLPGroup(next), resource: resource.owner, record: record)
      }
    }
    return output.finish()
  }

  private mutating func decodeScope(
    _ scope: OTLPGroup, resource: UnsafeRawBufferPointer,
    record: (UnsafeRawBufferPointer, inout EventOutput) throws(ProtobufError) -> (RejectionReason, String)?
  ) throws(ProtobufError) {
    let problem = try streamProblem(resource: resource, scope: scope.owner)
    var records = scope.members
    while let bytes = try records.next() {
      if let (reason, detail) = problem {
        reject(reason, detail)
        continue
      }
      guard bytes.count <= decoding.limits.recordBytesMax else {
        reject(.recordTooLarge, "a record of \(bytes.count) bytes is larger than \(decoding.limits.recordBytesMax)")
        continue
      }
      guard decoded.recordCount < decoding.limits.recordsMax else {
        reject(.requestLimit, "too many records in a request")
        continue
      }
      beginRow()
      do throws(ProtobufError) {
        if let (reason, detail) = try record(bytes, &self) {
          builder.discardRow()
          reject(reason, detail)
        } else {
          endRow()
        }
      } catch .nestedTooDeep {
        builder.discardRow()
        reject(.nestedTooDeep, "attributes nest deeper than \(AttributeValue.depthMax)")
      }
    }
  }

  private mutating func streamProblem(
    resource: UnsafeRawBufferPointer, scope: UnsafeRawBufferPointer
  ) throws(ProtobufError) -> (RejectionReason, String)? {
    do throws(ProtobufError) {
      return try setStream(resource: resource, scope: scope)
        ? nil : (.recordTooLarge, "a resource and scope are larger than \(decoding.limits.recordBytesMax) bytes")
    } catch .nestedTooDeep {
      return (.nestedTooDeep, "attributes of a resource nest deeper than \(AttributeValue.depthMax)")
    }
  }
}
