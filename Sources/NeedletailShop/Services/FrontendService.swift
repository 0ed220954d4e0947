import CoreMetrics
import HTTPTypes
import Logging
import Tracing

/// What customers talk to; it asks the other services.
struct FrontendService: Sendable {
  let client: ShopClient
  let chance: Chance
  let logger: Logger

  func addRoutes(to router: inout ShopRouter) {
    router.on(.get, "/") { _ in
      logger.trace("home page")
      _ = try await passingFailures { try await client.call(.catalogue, "GET", "/products", attempts: 2) }
      return .ok
    }
    router.on(.get, "/product/:id") { parameters in
      let product = try parameters.require("id")
      logger.debug("product page", metadata: ["product": "\(product)"])
      let status = try await passingFailures {
        try await client.call(.catalogue, "GET", "/products/\(product)", attempts: 2)
      }
      return status == 404 ? .notFound : .ok
    }
    router.on(.post, "/cart/:customer/:product") { parameters in
      let customer = try parameters.require("customer")
      let product = try parameters.require("product")
      _ = try await passingFailures {
        _ = try await client.call(.catalogue, "GET", "/products/\(product)")
        return try await client.call(.cart, "POST", "/cart/\(customer)/\(product)", attempts: 3)
      }
      return .ok
    }
    router.on(.post, "/checkout/:customer") { parameters in
      try await checkout(customer: try parameters.require("customer"))
    }
    router.on(.get, "/health") { _ in .ok }
  }

  private func checkout(customer: String) async throws -> HTTPResponse.Status {
    let cents = 499 + chance.index(below: 20_000)
    let status = try await withSpan("place order") { span in
      span.attributes["shop.order.cents"] = cents
      return try await passingFailures {
        let status = try await client.call(.payment, "POST", "/charge/\(customer)/\(cents)", attempts: 2)
        if status < 400 { _ = try await client.call(.cart, "DELETE", "/cart/\(customer)", attempts: 3) }
        return status
      }
    }
    guard status < 400 else {
      logger.notice("order not placed", metadata: ["customer": "\(customer)", "status": .stringConvertible(status)])
      Counter(label: "shop.orders", dimensions: [("result", "declined")]).increment()
      return .init(code: 402)
    }
    logger.info("order placed", metadata: ["customer": "\(customer)", "cents": .stringConvertible(cents)])
    Counter(label: "shop.orders", dimensions: [("result", "placed")]).increment()
    return .ok
  }

  /// Turns a service's failure into an answer of our own.
  private func passingFailures(_ work: () async throws -> Int) async throws -> Int {
    do {
      return try await work()
    } catch {
      logger.error("request failed", metadata: ["error": "\(error)"])
      throw ShopError(.badGateway)
    }
  }
}
