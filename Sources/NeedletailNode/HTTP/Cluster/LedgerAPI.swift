import HummingbirdCore
import NeedletailQueryEngine

/// The ledger for operators: of this node, or of all members of its cluster.
struct LedgerAPI: Sendable {
  let ledger: LedgerService

  func respond(to request: Request) async throws -> Response {
    let scope = try await request.parameters()["scope"] ?? "node"
    switch scope {
    case "node": return Self.response([LedgerService.Told(ledger: await ledger.own())], [])
    case "cluster":
      let (told, silent) = await ledger.all()
      return Self.response(told, silent)
    default:
      return PrometheusEnvelope.failure(
        QueryError(.badData, "invalid parameter \"scope\": write node, or cluster for all members"))
    }
  }

  static func response(_ told: [LedgerService.Told], _ silent: [LedgerService.Silent]) -> Response {
    PrometheusEnvelope.success { json in
      json.object { json in
        json.key("members")
        json.array { json in
          for one in told {
            json.object { json in
              one.ledger.writeMembers(to: &json)
              json.key("clockOffsetMilliseconds")
              json.integer(one.clockOffset / 1_000_000)
              json.key("roundTripMilliseconds")
              json.integer(one.roundTrip / 1_000_000)
            }
          }
        }
        json.key("silent")
        json.array { json in
          for one in silent {
            json.object { json in
              json.key("node")
              json.string(one.node)
              json.key("reason")
              json.string(one.reason)
            }
          }
        }
      }
    }
  }
}
