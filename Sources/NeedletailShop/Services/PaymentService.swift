import CoreMetrics
import HTTPTypes
import Logging
import Tracing

/// Charges cards.
///
/// Some are declined; rarely, the bank is away.
struct PaymentService: Sendable {
  let chance: Chance
  let logger: Logger

  /// The bank refused a card.
  struct CardDeclined: Error, CustomStringConvertible {
    let reason: String
    var description: String { "card declined: \(reason)" }
  }

  func addRoutes(to router: inout ShopRouter) {
    router.on(.post, "/charge/:customer/:cents") { parameters in
      let customer = try parameters.require("customer")
      guard let cents = Int64(try parameters.require("cents")), cents > 0 else { throw ShopError(.badRequest) }
      do {
        try await charge(customer: customer, cents: cents)
        Counter(label: "shop.payments", dimensions: [("result", "charged")]).increment()
        Counter(label: "shop.revenue.cents").increment(by: cents)
        logger.info("card charged", metadata: ["customer": "\(customer)", "cents": .stringConvertible(Int(cents))])
        return .ok
      } catch let error as CardDeclined {
        Counter(label: "shop.payments", dimensions: [("result", "declined"), ("reason", error.reason)]).increment()
        logger.warning("card declined", metadata: ["customer": "\(customer)", "reason": "\(error.reason)"])
        return .init(code: 402)
      }
    }
  }

  private func charge(customer: String, cents: Int64) async throws {
    let isDeclined = chance.happens(0.08)
    let isBankAway = chance.happens(0.01)
    let duration = chance.milliseconds(8, 60)
    let reason = ["insufficient_funds", "expired_card", "suspected_fraud"][chance.index(below: 3)]
    try await withSpan("authorise card", ofKind: .client) { span in
      span.attributes["shop.payment.cents"] = cents
      span.attributes["server.address"] = "bank.example"
      try await Task.sleep(for: duration)
      if isBankAway {
        span.setStatus(SpanStatus(code: .error, message: "bank is away"))
        logger.critical("the bank does not answer", metadata: ["server.address": "bank.example"])
        throw ShopError(.badGateway)
      }
      if isDeclined { throw CardDeclined(reason: reason) }
    }
  }
}
