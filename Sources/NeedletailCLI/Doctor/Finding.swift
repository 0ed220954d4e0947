/// Something that an operator should know of, and what to do about it.
struct Finding: Equatable {
  enum Severity: Int, Comparable {
    /// Something is lost, damaged or out of order now.
    case problem
    /// Something was dropped, or will be out of order if nobody looks after it.
    case warning
    /// Nothing to do: it passes, or is no loss.
    case note

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// The name in JSON.
    var name: String {
      switch self {
      case .problem: "problem"
      case .warning: "warning"
      case .note: "note"
      }
    }
  }

  var severity: Severity
  /// What kind it is, for programs.
  var code: String
  /// The node that it is about; nil for the whole cluster, and for a node alone.
  var node: String?
  var what: String
  /// Why, as far as that is known.
  var why: String?
  /// What to do; nil where there is nothing to do.
  var remedy: String?
}
