// Decompression of request bodies. Whoever sends a body is not trusted: what a header declares is checked before
// memory is taken for it, output stops at a cap, and a ratio that no telemetry has is refused.

/// How a body is compressed, as `Content-Encoding` names it.
///
/// `snappy` is the block format, as remote write uses it.
package enum ContentCoding: String, Sendable, CaseIterable {
  case identity
  case gzip
  case deflate
  case zstd
  case snappy

  /// The coding of a header's value; none means identity, nil one that is not known.
  package init?(header: String?) {
    guard let header else {
      self = .identity
      return
    }
    switch header.lowercased().filter({ $0 != " " }) {
    case "", "identity": self = .identity
    case "gzip", "x-gzip": self = .gzip
    case "deflate": self = .deflate
    case "zstd": self = .zstd
    case "snappy": self = .snappy
    default: return nil
    }
  }
}

/// How much a body may become.
package struct DecompressionLimits: Sendable {
  /// Bytes.
  package var outputMax: Int
  /// The most bytes of output for a byte of input, once the output is larger than `ratioFloor`.
  package var ratioMax: Int
  /// Bytes of output below which any ratio will do.
  package var ratioFloor: Int

  package init(outputMax: Int, ratioMax: Int = 200, ratioFloor: Int = 1 << 20) {
    self.outputMax = outputMax
    self.ratioMax = ratioMax
    self.ratioFloor = ratioFloor
  }

  /// 64 MiB, the usual limit of OTLP receivers.
  package static let otlp = DecompressionLimits(outputMax: 64 << 20)
  /// 32 MiB, the limit of remote write receivers.
  package static let remoteWrite = DecompressionLimits(outputMax: 32 << 20)

  /// The most bytes that `input` bytes may become.
  func cap(input: Int) -> Int {
    let (product, overflow) = input.multipliedReportingOverflow(by: ratioMax)
    return min(outputMax, max(ratioFloor, overflow ? .max : product))
  }

  func refusal(input: Int) -> DecompressionError {
    cap(input: input) < outputMax ? .suspiciousRatio(limit: ratioMax) : .tooLarge(limit: outputMax)
  }
}

/// Why a body was not decompressed.
package enum DecompressionError: Error, Equatable, Sendable {
  /// The bytes are not of the coding, or end too early.
  case malformed(ContentCoding)
  /// The output would be larger than the limit, in bytes.
  case tooLarge(limit: Int)
  /// The output is more than `limit` times the input: a bomb.
  case suspiciousRatio(limit: Int)
  /// A zstd frame wants a window of more than 2^`limit` bytes.
  case windowTooLarge(limit: Int)
  /// No memory for a decompressor.
  case exhausted

  /// What is wrong, for the sender to read.
  package var explanation: String {
    switch self {
    case .malformed(let coding): "the body is not valid \(coding.rawValue)"
    case .tooLarge(let limit): "the body is larger than \(limit) bytes when decompressed"
    case .suspiciousRatio(let limit): "the body grows more than \(limit) times when decompressed"
    case .windowTooLarge(let limit): "the body's zstd window is larger than 2^\(limit) bytes"
    case .exhausted: "no memory to decompress the body"
    }
  }
}

/// Decompresses bodies.
package enum Decompression {
  /// The largest zstd window, as a power of two: 8 MiB.
  package static let zstdWindowLogMax = 23

  /// The content of `bytes`.
  ///
  /// Memory: at most the allowed output and one window.
  package static func decompress(
    _ bytes: UnsafeRawBufferPointer, coding: ContentCoding, limits: DecompressionLimits
  ) throws(DecompressionError) -> [UInt8] {
    switch coding {
    case .identity:
      guard bytes.count <= limits.outputMax else { throw .tooLarge(limit: limits.outputMax) }
      return Array(bytes)
    case .gzip, .deflate: return try inflateBody(bytes, coding: coding, limits: limits)
    case .zstd: return try zstdBody(bytes, limits: limits)
    case .snappy: return try snappyBody(bytes, limits: limits)
    }
  }
}

/// Output that grows up to one byte above the cap: the byte that proves that there is too much.
struct CappedOutput {
  private(set) var bytes: [UInt8]
  private(set) var count = 0
  private let cap: Int

  init(cap: Int, expecting: Int) {
    self.cap = cap
    bytes = [UInt8](repeating: 0, count: min(cap, max(expecting, 4096)) + 1)
  }

  var isOver: Bool { count > cap }
  var isFull: Bool { count == bytes.count }

  /// Calls `body` with the free room; it returns how much of it was filled.
  mutating func fill(_ body: (UnsafeMutableRawBufferPointer) -> Int) {
    if isFull { grow() }
    let start = count
    count += bytes.withUnsafeMutableBytes { body(UnsafeMutableRawBufferPointer(rebasing: $0[start...])) }
  }

  private mutating func grow() {
    var grown = [UInt8](repeating: 0, count: min(bytes.count * 2, cap + 1))
    grown.withUnsafeMutableBytes { target in bytes.withUnsafeBytes { target.copyMemory(from: $0) } }
    bytes = grown
  }

  mutating func finish() -> [UInt8] {
    bytes.removeLast(bytes.count - count)
    return bytes
  }
}
