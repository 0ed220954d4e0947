import AsyncHTTPClient
import Logging
import Needletail
import ServiceLifecycle
import Tracing

/// The customers: they browse, put things into carts and pay, at a steady rate.
struct LoadService: Service {
  let client: ShopClient
  let options: ShopOptions
  let chance: Chance

  /// Visits that may be under way: a frontend that hangs must not fill the memory.
  private static let visitLimit = 256

  func run() async throws {
    try? await cancelWhenGracefulShutdown {
      try await waitForFrontend()
      try await withThrowingDiscardingTaskGroup { group in
        let clock = ContinuousClock()
        let pause = Duration.seconds(1) / options.rate
        let running = VisitCount()
        var next = clock.now
        while !Task.isCancelled {
          // Late visits are made up for, but not for ever: after a stall the rate starts anew.
          next = max(next.advanced(by: pause), clock.now.advanced(by: .seconds(-1)))
          try await Task.sleep(until: next, clock: clock)
          let visit = nextVisit()
          guard running.enter(below: Self.visitLimit) else { continue }
          group.addTask {
            defer { running.leave() }
            await make(visit)
          }
        }
      }
    }
    try? await client.http.shutdown()
  }

  private struct Visit {
    let method: String
    let path: String
    let customer: String
  }

  private func nextVisit() -> Visit {
    let customer = "customer-\(1 + chance.index(below: 200))"
    let isUnknown = chance.happens(0.02)
    let product = isUnknown ? "dodo" : CatalogueService.products[chance.index(below: CatalogueService.products.count)]
    let share = chance.unit()
    if share < 0.25 { return Visit(method: "GET", path: "/", customer: customer) }
    if share < 0.65 { return Visit(method: "GET", path: "/product/\(product)", customer: customer) }
    if share < 0.85 { return Visit(method: "POST", path: "/cart/\(customer)/\(product)", customer: customer) }
    return Visit(method: "POST", path: "/checkout/\(customer)", customer: customer)
  }

  private func make(_ visit: Visit) async {
    var context = ServiceContext.topLevel
    context.needletailBaggage["shop.customer"] = visit.customer
    // What the customer does about a failure is not this process's to decide; the spans tell of it.
    _ = try? await ServiceContext.withValue(context) {
      try await client.call(.frontend, visit.method, visit.path, timeout: .seconds(5))
    }
  }

  private func waitForFrontend() async throws {
    while !Task.isCancelled {
      let request = HTTPClientRequest(url: options.url(of: .frontend) + "/health")
      if let response = try? await client.http.execute(request, timeout: .seconds(1)), response.status == .ok { return }
      try await Task.sleep(for: .milliseconds(100))
    }
  }
}
