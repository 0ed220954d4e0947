/// Where events come from: the resource that emitted them and the instrumentation scope that recorded them.
package struct EventStream: Hashable, Sendable {
  package var resource: [Attribute]
  package var scopeName: String
  package var scopeVersion: String
  package var scopeAttributes: [Attribute]

  package init(
    resource: [Attribute] = [], scopeName: String = "", scopeVersion: String = "", scopeAttributes: [Attribute] = []
  ) {
    self.resource = resource
    self.scopeName = scopeName
    self.scopeVersion = scopeVersion
    self.scopeAttributes = scopeAttributes
  }

  /// The attribute `service.name`, or the empty text.
  package var serviceName: String { text(of: "service.name") }

  /// The label `job` that the metrics of the resource have: `service.name`, with `service.namespace` and a slash before
  /// it where there is one; nil without a name.
  package var job: String? {
    let (namespace, name) = (text(of: "service.namespace"), serviceName)
    guard !name.isEmpty else { return nil }
    return namespace.isEmpty ? name : namespace + "/" + name
  }

  private func text(of key: String) -> String { resource.first { $0.key == key }?.value.text ?? "" }

  /// The byte form: resource attributes, scope name, scope version, scope attributes.
  package func encode(to writer: inout ByteWriter) {
    Attribute.encode(resource, to: &writer)
    writer.appendPrefixed(scopeName)
    writer.appendPrefixed(scopeVersion)
    Attribute.encode(scopeAttributes, to: &writer)
  }

  package init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    resource = try Attribute.decode(&reader)
    scopeName = try reader.readPrefixedString()
    scopeVersion = try reader.readPrefixedString()
    scopeAttributes = try Attribute.decode(&reader)
  }

  /// The identity of a stream: the hash of its byte form, seeded by its tenant.
  package static func identity(ofEncoded bytes: UnsafeRawBufferPointer, tenant: TenantID) -> Hash128 {
    Hash128.of(bytes, seed: tenant.hashSeed)
  }
}
