import NeedletailEnvironment
import NeedletailSimulation
import NeedletailStorageSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailEvents

/// A trace may be of any size: whoever never ends one makes it grow for ever.
@Suite("Large traces and rows") struct LargeTraceTests {
  private let id = TraceID(high: 1, low: 2)

  /// Spans of one trace, with so many bytes in each name.
  private func append(_ range: Range<Int64>, nameBytes: Int = 10, to machine: EventMachine) async throws {
    let spans = range.map { index in
      (
        EventStream(),
        SpanRecord(
          traceID: id, spanID: SpanID(UInt64(index + 1)), name: String(repeating: "n", count: nameBytes),
          startNanoseconds: now - index, endNanoseconds: now)
      )
    }
    _ = try await machine.spans.append(try makeBatch(spans, id: UInt64(range.lowerBound)))
  }

  @Test("A trace of as many spans as the limit is whole; one of more is an error, in the head and in parts")
  func limit() async throws {
    let machine = try EventMachine()
    try await append(0..<50, to: machine)
    for isFlushed in [false, true] {
      if isFlushed { try machine.flush() }
      #expect(try machine.spans.trace(id, tenant: .default, limit: 50).count == 50)
      let error = #expect(throws: EventEngineError.self) {
        try machine.spans.trace(id, tenant: .default, limit: 49)
      }
      #expect(error?.description.contains("49 spans") == true)
    }
    // Copies of spans are no further ones.
    try await append(0..<50, to: machine)
    #expect(try machine.spans.trace(id, tenant: .default, limit: 50).count == 50)
    try await append(50..<51, to: machine)
    #expect(throws: EventEngineError.self) { try machine.spans.trace(id, tenant: .default, limit: 50) }
    #expect(try machine.spans.searchTraces(tenant: .default).map(\.spanCount) == [51])
  }

  @Test("A trace of few spans of many bytes is an error that says so")
  func bytes() async throws {
    let machine = try EventMachine()
    try await append(0..<20, nameBytes: 100_000, to: machine)
    #expect(try machine.spans.trace(id, tenant: .default, bytesMax: 3 << 20).count == 20)
    let error = #expect(throws: EventEngineError.self) {
      try machine.spans.trace(id, tenant: .default, bytesMax: 1 << 20)
    }
    #expect(error?.description.contains("1 MiB") == true)
  }

  @Test(
    "Looking up or searching a trace ends at the next block when nobody waits for it any more",
    arguments: [true, false]
  )
  func cancelled(searches: Bool) async throws {
    let disk = FaultyFileSystem(seed: 1)
    let watched = WatchedFileSystem(disk)
    let machine = try EventMachine(disk, MemoryCatalog(), watched: watched)
    for part in 0..<4 as Range<Int64> {
      try await append(part * 10..<part * 10 + 10, to: machine)
      try machine.flush()
    }
    let (spans, id) = (machine.spans, id)
    let skipped = searches ? 1 : 0
    let read = Lock<[String]>([])
    // A search reads a block for the span that matches, and then begins to look up its trace.
    watched.watch { call in
      guard call.operation == .read else { return }
      let files = read.withLock { read in
        if read.last != call.path { read.append(call.path) }
        return read.count
      }
      if files > skipped { withUnsafeCurrentTask { $0?.cancel() } }
    }
    let error = await #expect(throws: EventEngineError.self) {
      try await Task {
        if searches {
          _ = try spans.searchTraces(tenant: .default)
        } else {
          _ = try spans.trace(id, tenant: .default)
        }
      }.value
    }
    watched.watch(nil)
    guard case .cancelled = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(read.withLock { $0.count } == skipped + 1, "no other part was looked into")
    #expect(try spans.trace(id, tenant: .default).count == 40)
  }

  @Test("A page of large rows ends early, and the pages together are the whole answer")
  func pages() async throws {
    let machine = try EventMachine()
    let records = (0..<40 as Range<Int64>).map { index in
      (EventStream(), LogRecord(timeNanoseconds: now + index, body: .string(String(repeating: "x", count: 10_000))))
    }
    _ = try await machine.logs.append(try makeBatch(records))
    let scan = try machine.logs.selectLogs(EventQuery(tenant: .default))
    var times: [Int64] = []
    while true {
      let page = try scan.next(upTo: 1000, bytesMax: 35_000)
      if page.isEmpty { break }
      #expect(page.count == 4)
      times += page.map(\.record.timeNanoseconds)
    }
    #expect(times == records.map(\.1.timeNanoseconds))
    let tiny = try machine.logs.selectLogs(EventQuery(tenant: .default))
    #expect(try tiny.next(upTo: 1000, bytesMax: 0).count == 1, "a page without events would be the end")
  }
}
