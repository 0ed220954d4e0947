import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailCollector
import NeedletailTelemetry

extension Request {
  /// The tenant that the request names in `X-Scope-OrgID`, else the default one.
  func tenant() throws(RequestFailure) -> TenantID {
    guard let name = headers[.scopeOrganisation], !name.isEmpty else { return .default }
    guard let tenant = TenantID(name) else {
      throw RequestFailure(
        .badRequest, "X-Scope-OrgID must be 1 to \(TenantID.lengthMax) letters, digits, \"_\" or \"-\"")
    }
    return tenant
  }

  /// Collects the body, refusing it as soon as it is known to be larger than `bytesMax`.
  ///
  /// With a budget, what is collected counts against it while it grows, so that many large bodies at once cannot fill
  /// the memory; with a pace, a body that comes too slowly is refused, so that it does not keep what others wait for.
  func collectedBody(bytesMax: Int, budget: IngestBudget? = nil, pace: BodyPace? = nil) async throws -> [UInt8] {
    let bytesMax = min(bytesMax, budget?.bytesMax ?? bytesMax)
    let failure = RequestFailure(
      .contentTooLarge, "the request body is larger than \(bytesMax) bytes; send smaller batches")
    var bytes: [UInt8] = []
    var reserved = 0
    defer { budget?.release(reserved) }
    if let text = headers[.contentLength], let length = Int(text) {
      guard length <= bytesMax else { throw failure }
      bytes.reserveCapacity(min(length, 1 << 20))
    }
    var pieces = body.makeAsyncIterator()
    while let buffer = try await Self.next(of: &pieces) {
      let count = buffer.readableBytes
      guard count <= bytesMax - bytes.count else { throw failure }
      if let budget {
        guard budget.reserve(count) else {
          throw RequestFailure(
            .serviceUnavailable, "the receiver is overloaded; send again in a moment", headers: [.retryAfter: "1"])
        }
        reserved += count
      }
      bytes.append(contentsOf: buffer.readableBytesView)
      if let pace, pace.isTooSlow(received: bytes.count) {
        throw RequestFailure(.requestTimeout, "the request body came too slowly; send smaller batches")
      }
    }
    return bytes
  }

  /// The next piece of a body; one that breaks off is the client's failure, not ours.
  private static func next(of pieces: inout RequestBody.AsyncIterator) async throws -> ByteBuffer? {
    do {
      return try await pieces.next()
    } catch let error as CancellationError {
      throw error
    } catch {
      throw RequestFailure(.badRequest, "the request body broke off before its end")
    }
  }

  /// The parameters of the address and, for a posted form, of the body.
  func parameters(bytesMax: Int = 1 << 20) async throws -> FormParameters {
    var parameters = FormParameters()
    if let path = head.path { parameters.add(queryOf: path) }
    if method == .post, headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") ?? true {
      parameters.add(String(decoding: try await collectedBody(bytesMax: bytesMax), as: UTF8.self))
    }
    return parameters
  }
}
