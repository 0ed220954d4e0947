import AsyncHTTPClient
import NeedletailOTLP

/// Posts export requests of one signal.
struct OTLPClient: Sendable {
  /// How an attempt ended (OTLP specification, "OTLP/HTTP Response").
  enum Outcome: Equatable {
    /// Taken, but for a number of records that the receiver refused for good.
    case delivered(rejected: UInt64)
    /// Not taken; worth another attempt, after the time that the receiver asked for.
    case retryable(reason: String, after: Duration?)
    /// Refused for good.
    case refused(reason: String)
  }

  let http: HTTPClient
  let url: String
  let headers: [Needletail.Configuration.Header]

  /// Bytes of a response that are read: a partial success is short.
  private static let responseByteLimit = 64 << 10

  func post(_ body: [UInt8], timeout: Duration) async -> Outcome {
    var request = HTTPClientRequest(url: url)
    request.method = .POST
    request.headers.add(name: "content-type", value: "application/x-protobuf")
    request.headers.add(name: "user-agent", value: "needletail-swift/\(Needletail.version)")
    for header in headers { request.headers.replaceOrAdd(name: header.name, value: header.value) }
    request.body = .bytes(body)
    do {
      let response = try await http.execute(request, timeout: .init(timeout))
      let status = Int(response.status.code)
      switch status {
      case 200..<300:
        let answer = try? await response.body.collect(upTo: Self.responseByteLimit)
        return .delivered(rejected: answer.map { PartialSuccess.rejected(in: Array($0.readableBytesView)) } ?? 0)
      case 429, 502, 503, 504:
        let asked = response.headers.first(name: "retry-after").flatMap {
          RetryAfter.duration($0, now: WallClock.seconds)
        }
        return .retryable(reason: "the receiver answered \(status)", after: asked)
      default:
        return .refused(reason: "the receiver answered \(status)")
      }
    } catch let error as HTTPClientError where Self.isHopeless(error) {
      return .refused(reason: "the request cannot be sent: \(error)")
    } catch {
      return .retryable(reason: "no answer: \(error)", after: nil)
    }
  }

  /// Errors of the configuration, which time does not heal.
  private static func isHopeless(_ error: HTTPClientError) -> Bool {
    [.invalidURL, .emptyHost, .emptyScheme].contains(error)
  }
}

/// Reads how many records a successful response refused.
enum PartialSuccess {
  /// `partial_success` (field 1) / `rejected_…` (field 1) of an `Export…ServiceResponse`; 0 when it is absent or malformed.
  static func rejected(in response: [UInt8]) -> UInt64 {
    var rest = response[...]
    guard readVarint(&rest) == 1 << 3 | 2, let length = readVarint(&rest).flatMap(Int.init(exactly:)),
      length <= rest.count
    else { return 0 }
    rest = rest.prefix(length)
    guard readVarint(&rest) == 1 << 3, let rejected = readVarint(&rest), rejected <= UInt64(Int64.max) else { return 0 }
    return rejected
  }

  private static func readVarint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 64, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
