import HummingbirdCore
import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

// How a query would be carried out, for `needletail query --explain`. Not of Prometheus' API.

extension PrometheusAPI {
  /// The plan of a query at one time, or with `step` over a range.
  func explain(_ parameters: FormParameters, _ context: ConnectionContext, _ tenant: TenantID) async throws -> Response
  {
    let text = try parameters.required("query")
    let expression = try expression(text)
    let options = try options(parameters)
    var (start, end, step): (Int64, Int64, Int64?) = (0, 0, nil)
    if parameters["step"] != nil {
      (start, end, step) = try Self.steps(parameters)
    } else {
      start = try parameters.time("time") ?? nowMilliseconds
      end = start
    }
    let plan = try await queries.run(for: context, timeout: try parameters.timeout()) { [start, end, step] engine in
      try await engine.plan(
        expression, text: text, tenant: tenant, from: start, to: end, step: step, options: options)
    }
    return PrometheusEnvelope.success { QueryPlanJSON.write(plan, to: &$0) }
  }
}

/// A plan as JSON; times and lengths of time are in ms.
enum QueryPlanJSON {
  static func write(_ plan: QueryPlan, to json: inout JSONWriter) {
    json.object { json in
      text("expression", plan.expression, to: &json)
      text("type", plan.type.rawValue, to: &json)
      json.key("steps")
      json.object { json in
        number("start", plan.start, to: &json)
        number("end", plan.end, to: &json)
        number("interval", plan.interval, to: &json)
        number("count", Int64(plan.stepCount), to: &json)
      }
      text("cache", plan.cache.rawValue, to: &json)
      json.key("nodes")
      json.array { json in for node in plan.nodes { write(node, to: &json) } }
      json.key("reads")
      json.array { json in for read in plan.reads { write(read, to: &json) } }
    }
  }

  private static func text(_ key: String, _ text: String, to json: inout JSONWriter) {
    json.key(key)
    json.string(text)
  }

  private static func number(_ key: String, _ number: Int64, to json: inout JSONWriter) {
    json.key(key)
    json.integer(number)
  }

  private static func write(_ node: QueryPlan.Node, to json: inout JSONWriter) {
    json.object { json in
      number("depth", Int64(node.depth), to: &json)
      text("text", node.text, to: &json)
      if let read = node.read { number("read", Int64(read), to: &json) }
    }
  }

  private static func write(_ read: QueryPlan.Read, to json: inout JSONWriter) {
    json.object { json in
      json.key("matchers")
      json.array { json in for matcher in read.matchers { json.string(matcher) } }
      number("start", read.range.startMilliseconds, to: &json)
      number("end", read.range.endMilliseconds, to: &json)
      number("reach", read.reach, to: &json)
      if let function = read.function { text("function", function, to: &json) }
      if let labels = read.labels {
        json.key("labels")
        json.array { json in for label in labels { json.string(label) } }
      }
      number("tasks", Int64(read.tasksMax), to: &json)
    }
  }
}
