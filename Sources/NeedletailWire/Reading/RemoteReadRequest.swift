// Prometheus remote read (https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/): the questions.

import NeedletailOTLP
import NeedletailTelemetry

/// A remote read request, decoded.
package struct RemoteReadRequest: Sendable, Hashable {
  /// What is asked for: the samples of the series that satisfy all matchers, from the start to the end, both included.
  package struct Query: Sendable, Hashable {
    /// In ms since 1970; a start after the end selects nothing.
    package var start: Int64 = 0
    package var end: Int64 = 0
    package var matchers: [LabelMatcher] = []
  }

  /// How it is answered.
  package enum AnswerType: Sendable, Hashable {
    /// All samples in one message.
    case samples
    /// Chunks of Prometheus' own encodings, in a stream of messages.
    case chunks
  }

  package var queries: [Query] = []
  /// The first type that the client takes and there is.
  package var answerType = AnswerType.samples

  /// The most queries of one request, and the most matchers of one query.
  package static let queriesMax = 64
  package static let matchersMax = 1024
  /// The most regular expressions of one request, and the most bytes of all of them: each is compiled.
  package static let patternsMax = 256
  package static let patternBytesMax = 64 << 10
  /// The largest request in bytes, uncompressed.
  package static let bytesMax = 4 << 20

  /// Decodes an uncompressed ReadRequest.
  ///
  /// O(bytes), and what compiling the regular expressions takes.
  package init(_ body: UnsafeRawBufferPointer) throws(RemoteReadError) {
    let parts: [UnsafeRawBufferPointer]
    let type: AnswerType?
    do throws(ProtobufError) {
      parts = try Self.parts(body, field: 1, max: Self.queriesMax)
      type = try Self.answerType(body)
    } catch {
      throw .malformed(error)
    }
    guard let type else { throw .refused("none of the requested response types is known") }
    answerType = type
    guard parts.count <= Self.queriesMax else { throw .refused("more than \(Self.queriesMax) queries in a request") }
    var room = PatternRoom()
    for part in parts { queries.append(try Self.query(part, &room)) }
  }

  /// What regular expressions may still come.
  private struct PatternRoom {
    private var count = 0
    private var bytes = 0

    mutating func take(_ pattern: String) throws(RemoteReadError) {
      count += 1
      bytes += pattern.utf8.count
      guard count <= patternsMax, bytes <= patternBytesMax else {
        throw .refused("more than \(patternsMax) regular expressions in a request, or \(patternBytesMax) bytes of them")
      }
    }
  }

  /// The messages of a field, one more than `max` where there are more.
  private static func parts(
    _ bytes: UnsafeRawBufferPointer, field: UInt64, max: Int
  ) throws(ProtobufError) -> [UnsafeRawBufferPointer] {
    var parts: [UnsafeRawBufferPointer] = []
    var cursor = ProtobufFieldCursor(bytes, field: field)
    while parts.count <= max, let part = try cursor.next() { parts.append(part) }
    return parts
  }

  /// The first type that is known; nil where others are named only.
  private static func answerType(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> AnswerType? {
    var cursor = ProtobufVarintCursor(bytes, field: 2)
    var isAny = false
    while let number = try cursor.next() {
      switch number {
      case 0: return .samples
      case 1: return .chunks
      default: isAny = true
      }
    }
    // Clients of before name no type, and take samples.
    return isAny ? nil : .samples
  }

  private static func query(
    _ bytes: UnsafeRawBufferPointer, _ room: inout PatternRoom
  ) throws(RemoteReadError) -> Query {
    var query = Query()
    let parts: [UnsafeRawBufferPointer]
    do throws(ProtobufError) {
      var reader = ProtobufReader(bytes)
      while let tag = try reader.nextTag() {
        switch tag {
        case 1 << 3: query.start = Int64(bitPattern: try reader.readVarint())
        case 2 << 3: query.end = Int64(bitPattern: try reader.readVarint())
        default: try reader.skip(tag)
        }
      }
      parts = try Self.parts(bytes, field: 3, max: matchersMax)
    } catch {
      throw .malformed(error)
    }
    guard parts.count <= matchersMax else { throw .refused("more than \(matchersMax) matchers in a query") }
    for part in parts { query.matchers.append(try matcher(part, &room)) }
    return query
  }

  private static func matcher(
    _ bytes: UnsafeRawBufferPointer, _ room: inout PatternRoom
  ) throws(RemoteReadError) -> LabelMatcher {
    var (type, name, value): (UInt64, String, String) = (0, "", "")
    do throws(ProtobufError) {
      var reader = ProtobufReader(bytes)
      while let tag = try reader.nextTag() {
        switch tag {
        case 1 << 3: type = try reader.readVarint()
        case 2 << 3 | 2: name = String(decoding: try reader.readBytes(), as: UTF8.self)
        case 3 << 3 | 2: value = String(decoding: try reader.readBytes(), as: UTF8.self)
        default: try reader.skip(tag)
        }
      }
    } catch {
      throw .malformed(error)
    }
    let operations: [LabelMatcher.Operation] = [.equal, .notEqual, .matches, .notMatches]
    guard type < UInt64(operations.count) else { throw .refused("matcher type \(type) is not known") }
    if type >= 2 { try room.take(value) }
    do throws(RegularExpressionError) {
      return try LabelMatcher(name, operations[Int(type)], value)
    } catch {
      throw .refused("\(error)")
    }
  }
}

/// Why a remote read request is refused.
package enum RemoteReadError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The bytes are no ReadRequest.
  case malformed(ProtobufError)
  /// What it asks for is not to be had.
  case refused(String)

  /// What is wrong, for the sender to read.
  package var description: String {
    switch self {
    case .malformed(let error): "the body is no read request: \(error.explanation)"
    case .refused(let why): why
    }
  }
}
