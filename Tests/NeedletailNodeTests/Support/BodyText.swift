import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailEnvironment

/// What a response says, as text.
final class BodyText: ResponseBodyWriter {
  private let bytes = Lock<[UInt8]>([])

  static func of(_ response: Response) async throws -> String {
    let writer = BodyText()
    try await response.body.write(writer)
    return String(decoding: writer.bytes.withLock { $0 }, as: UTF8.self)
  }

  func write(_ buffer: ByteBuffer) async throws { bytes.withLock { $0 += buffer.readableBytesView } }

  func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
