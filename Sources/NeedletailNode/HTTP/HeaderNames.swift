import HTTPTypes

extension HTTPField.Name {
  /// `X-Scope-OrgID`: the tenant, as Cortex, Loki, Mimir and Tempo name it.
  static let scopeOrganisation = known("x-scope-orgid")
  static let retryAfter = known("retry-after")

  /// A name that is known to be a token; another one would be a mistake in this source.
  private static func known(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is no header name") }
    return field
  }
}
