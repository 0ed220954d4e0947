import CoreMetrics
import HTTPTypes
import Logging
import NeedletailEnvironment
import Tracing

/// Holds what customers put into their carts.
///
/// Now and then its cache is out and it answers 503, which callers retry.
final class CartService: Sendable {
  private let chance: Chance
  private let logger: Logger
  private let carts = Lock<[String: Int]>([:])
  private let itemsGauge = Gauge(label: "shop.cart.items")

  init(chance: Chance, logger: Logger) {
    self.chance = chance
    self.logger = logger
  }

  func addRoutes(to router: inout ShopRouter) {
    router.on(.post, "/cart/:customer/:product") { parameters in
      let customer = try parameters.require("customer")
      let product = try parameters.require("product")
      try await self.reachCache("SET")
      let total = self.carts.withLock { carts in
        carts[customer, default: 0] += 1
        return carts.values.reduce(0, +)
      }
      self.itemsGauge.record(total)
      self.logger.debug("added to cart", metadata: ["customer": "\(customer)", "product": "\(product)"])
      return .ok
    }
    router.on(.delete, "/cart/:customer") { parameters in
      let customer = try parameters.require("customer")
      try await self.reachCache("DEL")
      let total = self.carts.withLock { carts in
        carts[customer] = nil
        return carts.values.reduce(0, +)
      }
      self.itemsGauge.record(total)
      return .noContent
    }
  }

  private func reachCache(_ operation: String) async throws {
    let isOut = chance.happens(0.05)
    let duration = chance.milliseconds(0.3, 4)
    try await withSpan(operation, ofKind: .client) { span in
      span.attributes["db.system.name"] = "redis"
      span.attributes["db.operation.name"] = operation
      try await Task.sleep(for: duration)
      if isOut {
        span.addEvent("cache.connection_lost")
        span.setStatus(SpanStatus(code: .error, message: "connection reset by peer"))
      }
    }
    if isOut {
      logger.error("cache is out", metadata: ["operation": "\(operation)"])
      throw ShopError(.serviceUnavailable)
    }
  }
}
