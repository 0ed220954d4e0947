import Hummingbird
import Logging
import CoreMetrics
import Tracing

/// What customers talk to; it asks the other services.
struct FrontendService: Sendable {
  let client: ShopClient
  let chance: Chance
  let logger: Logger

  func addRoutes(to router: Router<BasicRequestContext>) {
    router.get("/") { _, _ in
      logger.trace("home page")
      _ = try await passingFailures { try await client.call(.catalogue, "GET", "/products", attempts: 2) }
      return Response(status: .ok)
    }
    router.get("/product/:id") { _, context in
      let product = try context.parameters.require("id")
      logger.debug("product page", metadata: ["product": "\(product)"])
      let status = try await passingFailures {
        try await client.call(.catalogue, "GET", "/products/\(product)", attempts: 2)
      }
      return Response(status: status == 404 ? .notFound : .ok)
    }
    router.post("/cart/:customer/:product") { _, context in
      let customer = try context.parameters.require("customer")
      let product = try context.parameters.require("product")
      _ = try await passingFailures {
        _ = try await client.call(.catalogue, "GET", "/products/\(product)")
        return try await client.call(.cart, "POST", "/cart/\(customer)/\(product)", attempts: 3)
      }
      return Response(status: .ok)
    }
    router.post("/checkout/:customer") { _, context in
      try await checkout(customer: try context.parameters.require("customer"))
    }
    router.get("/health") { _, _ in Response(status: .ok) }
  }

  private func checkout(customer: String) async throws -> Response {
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
      return Response(status: .init(code: 402))
    }
    logger.info("order placed", metadata: ["customer": "\(customer)", "cents": .stringConvertible(cents)])
    Counter(label: "shop.orders", dimensions: [("result", "placed")]).increment()
    return Response(status: .ok)
  }

  /// Turns a service's failure into an answer of our own.
  private func passingFailures(_ work: () async throws -> Int) async throws -> Int {
    do {
      return try await work()
    } catch {
      logger.error("request failed", metadata: ["error": "\(error)"])
      throw HTTPError(.badGateway)
    }
  }
}
