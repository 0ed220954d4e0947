import NeedletailCluster
import NeedletailOTLP

/// A trace as Tempo's two forms of the answer have it.
///
/// Both take the trace as OTLP's TracesData has it, whose bytes are those of Tempo's message `Trace`. Source:
/// `TraceByIDResponse` of Tempo's tempo.proto.
enum TempoTrace {
  /// The trace alone, and beside it how whole it is.
  static func bareJSON(_ trace: [UInt8], _ coverage: SlotCoverage?) -> [UInt8] {
    guard let coverage else { return trace }
    return trace.dropLast() + members(coverage)
  }

  /// The trace in an object with what there is to tell of it.
  static func json(_ trace: [UInt8], _ coverage: SlotCoverage?) -> [UInt8] {
    Array(#"{"trace":"#.utf8) + trace + (coverage.map(members) ?? Array("}".utf8))
  }

  /// The same in protobuf, which has no place for more than that something is missing, and what.
  static func protobuf(_ trace: [UInt8], _ coverage: SlotCoverage?) -> [UInt8] {
    var writer = ProtobufWriter()
    writer.field(1, bytes: trace)
    if let shortage = coverage?.shortage {
      writer.field(3, varint: 1)
      writer.field(4, string: shortage)
    }
    return writer.bytes
  }

  /// Further members of an object that has some, with its end.
  private static func members(_ coverage: SlotCoverage) -> [UInt8] {
    var json = JSONWriter()
    json.object { coverage.appendStatus(to: &$0) }
    return Array(",".utf8) + json.take().dropFirst()
  }
}

extension SlotCoverage {
  /// Adds how whole the answer is to the object that is written: where something is missing with `status` and `message` as
  /// Tempo has them.
  func appendStatus(to json: inout JSONWriter) {
    if let shortage {
      json.key("status")
      json.string("PARTIAL")
      json.key("message")
      json.string(shortage)
    }
    append(to: &json)
  }
}
