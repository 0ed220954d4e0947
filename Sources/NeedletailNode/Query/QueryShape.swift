import NeedletailTelemetry

/// What makes a query cost what it cost the last time, whenever it is asked for: all but where its times lie.
struct QueryShape: Hashable {
  enum Kind: Hashable {
    case instant
    case range
    case series
    case labelNames
    case labelValues
  }

  var kind: Kind
  var tenant: TenantID
  /// The expression, or the selectors, and for values the label's name.
  var texts: [String]
  /// From the first time to the last, in ms, as far as it can be told.
  var width: Int64 = 0
  /// In ms.
  var step: Int64 = 0
  /// How far back instant selectors look, in ms.
  var lookback: Int64 = 0
  var usesCache = false

  /// A number that stands for the shape, never 0.
  ///
  /// Two shapes with the same number may take each other's place where being wrong costs some time and nothing else.
  var number: Int {
    let number = hashValue
    return number == 0 ? 1 : number
  }
}
