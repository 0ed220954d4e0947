import CoreMetrics
import HTTPTypes
import Logging
import Tracing

/// Knows the goods.
///
/// Its database is slow once in a while, and every now and then a query fails.
struct CatalogueService: Sendable {
  let chance: Chance
  let logger: Logger

  static let products = ["swift", "swallow", "martin", "needletail", "nightjar", "hummingbird", "treeswift", "potoo"]

  /// A query that the database gave up.
  struct QueryError: Error, CustomStringConvertible {
    var description: String { "canceling statement due to lock timeout" }
  }

  func addRoutes(to router: inout ShopRouter) {
    router.on(.get, "/products") { _ in
      try await query("SELECT id, name, price FROM products ORDER BY name LIMIT 20", "SELECT products", slow: 0.03)
      return .ok
    }
    router.on(.get, "/products/:id") { parameters in
      let product = try parameters.require("id")
      guard Self.products.contains(product) else {
        logger.notice("no such product", metadata: ["product": "\(product)"])
        return .notFound
      }
      try await query("SELECT id, name, price, stock FROM products WHERE id = $1", "SELECT products", slow: 0.08)
      return .ok
    }
  }

  private func query(_ text: String, _ name: String, slow: Double) async throws {
    let isSlow = chance.happens(slow)
    let duration = isSlow ? chance.milliseconds(250, 900) : chance.milliseconds(1, 12)
    let fails = chance.happens(0.004)
    do {
      try await withSpan(name, ofKind: .client) { span in
        span.updateAttributes { attributes in
          attributes["db.system.name"] = "postgresql"
          attributes["db.namespace"] = "catalogue"
          attributes["db.operation.name"] = "SELECT"
          attributes["db.collection.name"] = "products"
          attributes["db.query.text"] = text
        }
        logger.trace("query", metadata: ["db.query.text": "\(text)"])
        try await Task.sleep(for: duration)
        if fails { throw QueryError() }
        span.attributes["db.response.returned_rows"] = 1 + chance.index(below: 20)
      }
    } catch let error as QueryError {
      logger.error("query failed", metadata: ["error": "\(error)", "db.query.text": "\(text)"])
      throw ShopError(.internalServerError)
    }
    CoreMetrics.Timer(label: "db.client.operation.duration", dimensions: [("db.operation.name", "SELECT")])
      .recordNanoseconds(Int64(clamping: duration.nanoseconds))
    if isSlow {
      logger.warning(
        "slow query",
        metadata: [
          "duration_ms": .stringConvertible(Int(clamping: duration.nanoseconds / 1_000_000)),
          "db.query.text": "\(text)",
        ])
    }
  }
}
