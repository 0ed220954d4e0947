import NeedletailEnvironment
import NeedletailProcesses

/// A client that sends one request after the other and, as Prometheus and the OpenTelemetry SDK do, sends again, byte
/// for byte, what was not answered or with a status that asks for it.
struct LoadWriter: Sendable {
  let number: Int
  let signal: Entry.Signal
  let telemetry: RunTelemetry
  let ledger: Ledger
  /// Whom it may ask, be they there or not: it goes on to the next after each failure, and every few requests.
  let nodes: @Sendable () -> [ServerClient]
  /// How long it rests after a request, in ms.
  let pause: Int

  /// Sends until the task is cancelled. What was not acknowledged by then stays an attempt.
  func run() async {
    var count = 0
    while !Task.isCancelled {
      await send(request(count), first: number + count / 8)
      count += 1
      try? await Task.sleep(for: .milliseconds(pause))
    }
  }

  private func request(_ count: Int) -> RunTelemetry.Request {
    switch signal {
    case .sample: telemetry.samples(writer: number, number: count)
    case .line: telemetry.lines(writer: number, number: count)
    case .span: telemetry.spans(writer: number, number: count)
    }
  }

  private func send(_ request: RunTelemetry.Request, first: Int) async {
    ledger.attempt(request.entries)
    var wait = 30
    var turn = first
    while !Task.isCancelled {
      let clients = nodes()
      guard !clients.isEmpty else { return }
      let answer = try? await clients[turn % clients.count].ask(
        request.path, isPost: true, body: request.body,
        headers: request.headers.merging(["content-type": request.type]) { $1 }, seconds: 5)
      switch answer?.status {
      case .some(200..<300): return ledger.acknowledge(request.entries)
      case .some(400..<429), .some(430..<500):
        let text = String(decoding: answer?.body.prefix(200) ?? .init(), as: UTF8.self)
        return ledger.refuse("\(request.path): \(answer?.status ?? 0) \(text)")
      default: break
      }
      ledger.retry()
      turn += 1
      try? await Task.sleep(for: .milliseconds(wait))
      wait = min(wait * 2, 500)
    }
  }
}
