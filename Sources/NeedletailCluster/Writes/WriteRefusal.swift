import NeedletailTelemetry

/// Why a replica did not take a write.
package enum WriteRefusal: Error, Equatable, Sendable {
  /// Why a write is never taken.
  package enum Reason: UInt8, CaseIterable, Sendable {
    /// A frame is no frame.
    case malformed = 1
    /// All rows are older than what is kept, or too far in the future.
    case outOfRetention = 2
    /// All rows are refused for their age, some of them older than the out-of-order window takes.
    case outOfWindow = 3
  }

  /// There is no room now; come again after so many milliseconds.
  case overloaded(retryAfterMilliseconds: UInt32)
  /// A series is not known: send its definition.
  case unknownSeries
  /// The node holds no replica of some slot, or knows a newer assignment than the sender.
  case notReplica
  /// It will never be taken.
  case forGood(Reason)

  /// What it means for the write.
  package var failure: ReplicaFailure {
    switch self {
    case .overloaded(let milliseconds): .overloaded(retryAfterMilliseconds: Int(clamping: milliseconds))
    case .unknownSeries: .unknownSeries
    case .notReplica: .notReplica
    case .forGood: .refused
    }
  }

  func encode(to writer: inout ByteWriter) {
    switch self {
    case .overloaded(let milliseconds):
      writer.append(UInt8(1))
      writer.append(milliseconds)
    case .unknownSeries: writer.append(UInt8(2))
    case .notReplica: writer.append(UInt8(3))
    case .forGood(let reason):
      writer.append(UInt8(4))
      writer.append(reason.rawValue)
    }
  }

  init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    switch try reader.read(UInt8.self) {
    case 1: self = .overloaded(retryAfterMilliseconds: try reader.read())
    case 2: self = .unknownSeries
    case 3: self = .notReplica
    case 4:
      guard let reason = Reason(rawValue: try reader.read()) else { throw .invalid("an unknown reason") }
      self = .forGood(reason)
    default: throw .invalid("an unknown refusal")
    }
  }
}
