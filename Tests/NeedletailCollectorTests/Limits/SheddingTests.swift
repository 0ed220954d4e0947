import NeedletailEnvironment
import NeedletailOTLP
import NeedletailSimulation
import NeedletailTelemetry
import Testing

@testable import NeedletailCollector

@Suite("What an overloaded node lets go of")
struct SheddingTests {
  private let store = Store()
  private let clock = ManualClock()

  /// One whose memory for bodies is used up to so many per cent, besides what a request takes.
  private func receiver(_ percent: Int) -> Receiver {
    var limits = IngestLimits()
    limits.bytesInFlightMax = 1 << 20
    let receiver = Receiver(limits: limits, sink: store, clock: clock)
    #expect(receiver.budget.reserve((1 << 20) / 100 * percent))
    return receiver
  }

  private func logs(_ severities: [Int], time: Int = 1) -> String {
    let records = severities.enumerated().map {
      #"{"timeUnixNano":"\#(time + $0.offset)","severityNumber":\#($0.element),"body":{"stringValue":"x"}}"#
    }
    return #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[\#(records.joined(separator: ","))]}]}]}"#
  }

  /// Spans by the digit of their trace, how many ms they took, and whether they failed.
  private func spans(_ all: [(trace: Int, milliseconds: Int, hasFailed: Bool)]) -> String {
    let records = all.enumerated().map { index, span in
      #"{"traceId":"\#(String(repeating: "\(span.trace)", count: 32))","spanId":"\#(String(repeating: "\(index + 1)", count: 16))","#
        + #""name":"s","startTimeUnixNano":"1000","endTimeUnixNano":"\#(1_000 + span.milliseconds * 1_000_000)","#
        + #""status":{"code":\#(span.hasFailed ? 2 : 0)}}"#
    }
    return #"{"resourceSpans":[{"scopeSpans":[{"spans":[\#(records.joined(separator: ","))]}]}]}"#
  }

  private func send(_ json: String, _ signal: OTLPSignal, to receiver: Receiver) async -> ReceiveOutcome {
    await receiver.otlp(
      signal, ReceiveRequest(tenant: .default, contentType: "application/json", body: Array(json.utf8)))
  }

  private let gauge =
    #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":["#
    + #"{"timeUnixNano":"1000000","asInt":"1"}]}}]}]}]}"#

  @Test("is nothing while there is room")
  func none() async {
    let receiver = receiver(70)
    #expect(await send(logs([1, 5, 9]), .logs, to: receiver).accepted == 3)
    #expect(await send(spans([(1, 1, false)]), .traces, to: receiver).accepted == 1)
    #expect(receiver.ledger[.logs].refused.isEmpty && receiver.ledger[.traces].refused.isEmpty)
  }

  @Test("is debug logs first: those of a request with others are gone for good, those of one by itself may come again")
  func debugLogs() async {
    let receiver = receiver(80)
    // Without a severity nobody knows how important a record is.
    let mixed = await send(logs([1, 5, 8, 9, 17, 0]), .logs, to: receiver)
    #expect(mixed.otlpStatus == 200 && mixed.accepted == 3 && mixed.rejections.counts == [.shed: 3])
    #expect(mixed.message.contains("took no debug logs") && store.eventCount == 3)
    let alone = await send(logs([5, 5], time: 100), .logs, to: receiver)
    #expect(alone.otlpStatus == 503 && alone.retryAfterSeconds == 1 && alone.message.contains("takes no debug logs"))
    #expect(await send(spans([(1, 1, false)]), .traces, to: receiver).accepted == 1)
    #expect(await send(gauge, .metrics, to: receiver).accepted == 1)
    let books = receiver.ledger[.logs]
    #expect(books.refused == ["shed": 3] && books.failed == ["shed": 2] && books.acknowledged == 3)
    #expect(books.balance == 0 && books.underWay == 0 && books.received == 8)
    receiver.budget.release((1 << 20) / 100 * 80)
    #expect(await send(logs([5, 5], time: 100), .logs, to: receiver).accepted == 2)
  }

  @Test("is unremarkable traces next, whole ones as far as they are in the request; errors, slow ones and metrics stay")
  func traces() async {
    let receiver = receiver(90)
    let mixed = await send(
      spans([(1, 5, false), (2, 5, true), (2, 1, false), (3, 1_000, false), (3, 2, false), (4, 999, false)]), .traces,
      to: receiver)
    #expect(mixed.otlpStatus == 200 && mixed.accepted == 4 && mixed.rejections.counts == [.shed: 2])
    #expect(store.eventCount == 4)
    #expect(await send(spans([(5, 5, false)]), .traces, to: receiver).otlpStatus == 503)
    #expect(await send(logs([9, 5]), .logs, to: receiver).accepted == 1)
    #expect(await send(gauge, .metrics, to: receiver).accepted == 1)
    let books = receiver.ledger[.traces]
    #expect(books.refused == ["shed": 2] && books.failed == ["shed": 1] && books.balance == 0)
    #expect(receiver.ledger[.metrics].refused.isEmpty && receiver.ledger[.metrics].failed.isEmpty)
  }

  @Test("follows from a store that has no room too, for a while")
  func store() async {
    let receiver = receiver(0)
    store.failure = .overloaded(retryAfterSeconds: 1)
    #expect(await send(gauge, .metrics, to: receiver).otlpStatus == 503)
    store.failure = nil
    #expect(await send(spans([(1, 5, false)]), .traces, to: receiver).otlpStatus == 503)
    #expect(await send(gauge, .metrics, to: receiver).accepted == 1)
    clock.advance(nanoseconds: Shedding.memory)
    #expect(await send(spans([(1, 5, false)]), .traces, to: receiver).accepted == 1)
  }
}
