import Foundation
import HTTPTypes
import HummingbirdCore
import NIOCore
import NeedletailEnvironment
import NeedletailWire
import Testing

@testable import NeedletailNode

@Suite("Answers that are compressed")
struct CompressionTests {
  @Test(
    "the coding that the client wants most is taken, and none that it does not",
    arguments: [
      (nil, nil), ("", nil), ("gzip", .gzip), ("zstd", .zstd), ("gzip, zstd", .zstd), ("gzip;q=1, zstd;q=0.5", .gzip),
      ("GZIP ; Q=0.3", .gzip), ("x-gzip", .gzip), ("br, deflate", nil), ("*", .zstd), ("zstd;q=0, *", .gzip),
      ("gzip;q=0", nil), ("*;q=0", nil), ("gzip;q=0.2, identity", nil), ("gzip, identity;q=0.5", .gzip),
      ("gzip;q=x", nil), (",;,=;q", nil),
    ] as [(String?, BodyCompressor.Coding?)])
  func negotiation(_ header: String?, _ wanted: BodyCompressor.Coding?) {
    #expect(AcceptedCoding.best(header) == wanted)
  }

  /// Takes whatever comes.
  private struct Discarding: ResponseBodyWriter {
    mutating func write(_ buffer: ByteBuffer) async throws {}
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {}
  }

  @Test("only bodies of a few kilobytes are compressed where they are made: all others, and streams, take a thread")
  func threads() async throws {
    // With its threads gone, whatever wants one fails.
    let executor = ThreadExecutor(threads: 1)
    await executor.shutDown()
    let head = HTTPRequest(
      method: .get, scheme: nil, authority: nil, path: "/", headerFields: [.acceptEncoding: "zstd"])
    let request = Request(head: head, body: RequestBody(buffer: ByteBuffer()))
    func body(_ count: Int) -> Response {
      Response(.ok, "application/json", [UInt8](repeating: UInt8(ascii: "0"), count: count))
    }
    #expect(try await body(1023).compressed(for: request, on: executor).headers[.contentEncoding] == nil)
    let small = try await body(8 << 10).compressed(for: request, on: executor)
    #expect(small.headers[.contentEncoding] == "zstd" && (small.body.contentLength ?? 0) > 0)
    await #expect(throws: (any Error).self) { try await body(8 << 10 + 1).compressed(for: request, on: executor) }
    let large = try await body(65 << 10).compressed(for: request, on: executor)
    #expect(large.body.contentLength == nil)
    await #expect(throws: (any Error).self) { try await large.body.write(Discarding()) }
    let stream = Response(
      status: .ok, headers: [.contentType: "application/json"],
      body: ResponseBody { writer in
        try await writer.write(ByteBuffer(string: "{}"))
        try await writer.finish(nil)
      })
    let compressed = try await stream.compressed(for: request, on: executor)
    await #expect(throws: (any Error).self) { try await compressed.body.write(Discarding()) }
  }

  private func decompressed(_ answer: HTTPAnswer) throws -> [UInt8] {
    let coding = try #require(ContentCoding(header: answer.headers["content-encoding"]))
    return try answer.body.withUnsafeBytes {
      try Decompression.decompress(
        $0, coding: coding, limits: DecompressionLimits(outputMax: 64 << 20, ratioMax: 1 << 20))
    }
  }

  @Test("large answers, middling ones and lists come compressed and are the same; tiny ones come as they are")
  func answers() async throws {
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    try await RunningServer.run(folder: try TemporaryFolder()) { server async throws -> Void in
      let series = (0..<300).map { number in
        TestSeries(
          labels: [("__name__", "m"), ("number", "\(number)")],
          samples: (0..<60).map { (now - 60_000 + 1000 * Int64($0), Double($0 * number) / 7) })
      }
      #expect(try await server.remoteWrite(series).status < 300)
      let seconds = now / 1000
      let large = "/api/v1/query_range?query=m&start=\(seconds - 60)&end=\(seconds)&step=1"
      let middling = "/api/v1/query?query=m%7Bnumber%3D~%221.*%22%7D&time=\(seconds)"
      for path in [large, middling, "/api/v1/series?match[]=m", "/api/v1/label/number/values", "/metrics"] {
        let plain = try await server.get(path)
        #expect(plain.status == 200 && plain.headers["content-encoding"] == nil, "\(path)")
        for coding in ["gzip", "zstd"] {
          let answer = try await server.get(path, headers: ["Accept-Encoding": coding])
          #expect(answer.headers["content-encoding"] == coding, "\(path)")
          #expect(answer.headers["vary"] == "Accept-Encoding" && answer.body.count < plain.body.count)
          // What the server counts of itself changes from one answer to the next.
          if path != "/metrics" { #expect(try decompressed(answer) == plain.body, "\(path) in \(coding)") }
        }
      }
      let tiny = try await server.get("/api/v1/query?query=1", headers: ["Accept-Encoding": "gzip"])
      #expect(tiny.headers["content-encoding"] == nil && tiny.headers["vary"] == nil)
      let head = try await server.request("HEAD", "/metrics", headers: ["Accept-Encoding": "gzip"])
      #expect(head.status == 200 && head.body.isEmpty && head.headers["content-encoding"] == nil)
    }
  }
}
