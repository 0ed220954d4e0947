import NeedletailCluster
import NeedletailQueryEngine

/// How sure an answer of a cluster has to be.
struct ReadOptions: Hashable, Sendable {
  /// How many ready replicas of each slot have to agree.
  var consistency = QuorumRead.Consistency.quorum
  /// Whether an answer that may lack something is better than none.
  var partial = QuorumRead.Partial.deny

  /// A consistency by the name that settings and parameters have for it; nil for another name.
  static func consistency(_ name: String) -> QuorumRead.Consistency? {
    switch name {
    case "one": .one
    case "quorum": .quorum
    case "all": .all
    default: nil
    }
  }
}

extension FormParameters {
  /// What a question says of how sure its answer has to be; where it says nothing, the default holds.
  func readOptions(_ standard: ReadOptions) throws(QueryError) -> ReadOptions {
    var options = standard
    if let text = self["consistency"] {
      guard let consistency = ReadOptions.consistency(text) else {
        throw QueryError(
          .badData, "invalid parameter \"consistency\": \"\(text)\" is none of \"one\", \"quorum\" and \"all\"")
      }
      options.consistency = consistency
    }
    switch self["partial"] {
    case nil: break
    case "allow": options.partial = .allow
    case "deny": options.partial = .deny
    case .some(let text):
      throw QueryError(.badData, "invalid parameter \"partial\": \"\(text)\" is neither \"allow\" nor \"deny\"")
    }
    return options
  }
}
