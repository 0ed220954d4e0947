// OTLP's three export requests have one shape:
//
//     Export…ServiceRequest { 1: Resource… { 1: Resource, 2: Scope… { 1: InstrumentationScope, 2: record, 2: record … } } }
//
// with a Span, a Metric or a LogRecord as the record. So one frame serves all three: a sender encodes its resource and scope
// once, appends each record to a RecordBatch when it happens, and a request is a few bytes of lengths and two copies.

/// Records (spans, metrics or log records), each with its tag and length, one after the other.
package struct RecordBatch: Sendable {
  /// The number of records.
  package private(set) var count: Int = 0
  private var writer: ProtobufWriter

  /// An empty batch.
  ///
  /// - Parameter capacity: bytes to reserve.
  package init(capacity: Int = 0) { writer = ProtobufWriter(capacity: capacity) }

  /// The encoded records: repeated field 2 of `ScopeSpans`, `ScopeMetrics` or `ScopeLogs`.
  package var bytes: [UInt8] { writer.bytes }

  /// The size of the encoded records in bytes.
  package var byteCount: Int { writer.count }

  /// Whether there is no record.
  package var isEmpty: Bool { count == 0 }

  /// Appends one encoded record.
  package mutating func append(record: [UInt8]) {
    writer.field(2, bytes: record)
    count += 1
  }

  /// Appends one record whose fields `body` writes.
  package mutating func append(_ body: (inout ProtobufWriter) -> Void) {
    writer.field(2, message: body)
    count += 1
  }
}

/// The part of an export request that is the same in every request of a sender.
package struct ExportRequestFrame: Sendable {
  private let resource: [UInt8]
  private let scope: [UInt8]
  private let schemaURL: String

  /// Encodes a resource and an instrumentation scope.
  ///
  /// - Parameters:
  ///   - resource: the attributes of the `Resource`, each written with ``ProtobufWriter/attribute(_:_:_:)`` or one of its kin as field 1.
  ///   - scopeName: the name of the `InstrumentationScope`.
  ///   - scopeVersion: its version; empty when there is none.
  ///   - schemaURL: the semantic conventions that resource and records follow; empty when there is none.
  package init(
    scopeName: String, scopeVersion: String, schemaURL: String = "", resource: (inout ProtobufWriter) -> Void
  ) {
    var resourceWriter = ProtobufWriter()
    resourceWriter.field(1, message: resource)
    self.resource = resourceWriter.bytes
    var scopeWriter = ProtobufWriter()
    scopeWriter.field(1) { scope in
      scope.field(1, string: scopeName)
      if !scopeVersion.isEmpty { scope.field(2, string: scopeVersion) }
    }
    self.scope = scopeWriter.bytes
    self.schemaURL = schemaURL
  }

  /// The bytes of one export request that holds a batch.
  ///
  /// - Complexity: O(bytes of the batch): one allocation, one copy.
  package func request(_ batch: RecordBatch) -> [UInt8] {
    var schema = ProtobufWriter()
    if !schemaURL.isEmpty { schema.field(3, string: schemaURL) }
    let scopeLength = scope.count + batch.byteCount
    let resourceLength =
      resource.count + 1 + ProtobufWriter.varintSize(UInt64(scopeLength)) + scopeLength + schema.count
    var writer = ProtobufWriter(capacity: resourceLength + 11)
    writer.varint(1 << 3 | 2)
    writer.varint(UInt64(resourceLength))
    writer.raw(resource)
    writer.varint(2 << 3 | 2)
    writer.varint(UInt64(scopeLength))
    writer.raw(scope)
    writer.raw(batch.bytes)
    writer.raw(schema.bytes)
    return writer.bytes
  }
}
