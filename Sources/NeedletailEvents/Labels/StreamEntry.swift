import NeedletailTelemetry

/// A stream as the engine keeps it: decoded once, shared by all of its rows.
package final class StreamEntry: Sendable {
  package let tenant: TenantID
  /// The hash of the stream's byte form, seeded by the tenant.
  package let identity: Hash128
  /// The byte form, as `EventStream.encode` writes it.
  package let encoded: [UInt8]
  package let stream: EventStream
  /// What matchers see of the stream: its resource attributes under label names, `scope_name`, the service's name as
  /// `service` where the resource has no such attribute of its own, and `job` as the metrics of the resource have it.
  package let labels: LabelSet
  private let values: [String: String]

  package init(decoding bytes: UnsafeRawBufferPointer, tenant: TenantID) throws(MalformedBytes) {
    var reader = ByteReader(bytes)
    stream = try EventStream(decoding: &reader)
    self.tenant = tenant
    identity = EventStream.identity(ofEncoded: bytes, tenant: tenant)
    encoded = Array(bytes)
    var values: [String: String] = [:]
    for attribute in stream.resource {
      let name = LabelName.of(attribute.key)
      if values[name] == nil { values[name] = attribute.value.text }
    }
    if !stream.scopeName.isEmpty, values["scope_name"] == nil { values["scope_name"] = stream.scopeName }
    if values["service"] == nil { values["service"] = stream.serviceName }
    if let job = stream.job { values["job"] = job }
    self.values = values.filter { !$0.key.isEmpty && !$0.value.isEmpty }
    labels = LabelSet(self.values.map { Label($0.key, $0.value) })
  }

  /// The value of a label of the stream, or nil where it has none of that name.
  package func value(_ name: String) -> String? { values[name] }

  /// About what the entry takes in memory, in bytes.
  var byteCount: Int { 512 + encoded.count * 4 }
}
