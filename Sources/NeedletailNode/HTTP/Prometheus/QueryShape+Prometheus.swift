import NeedletailQueryEngine
import NeedletailQueryLanguage
import NeedletailTelemetry

extension QueryShape {
  /// The shape of a query; nil where it reads events, whose engine keeps nothing in memory of what it read.
  init?(_ kind: Kind, _ expression: Expression, text: String, tenant: TenantID, options: QueryOptions) {
    var readsEvents = false
    expression.walk { part in
      if case .events = part.node { readsEvents = true }
    }
    if readsEvents { return nil }
    self.init(kind: kind, tenant: tenant, texts: [text], lookback: options.lookback, usesCache: options.usesCache)
  }

  /// The shape of a question about labels.
  init(_ kind: Kind, _ parameters: FormParameters, name: [String] = [], _ scope: MetadataScope) {
    self.init(
      kind: kind, tenant: scope.tenant, texts: name + parameters.all("match[]"),
      width: scope.range.endMilliseconds &- scope.range.startMilliseconds)
  }
}
