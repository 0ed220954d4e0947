// The outer shells of the three export requests, which are alike: a request holds groups by resource (field 1), such
// a group its resource (1) and groups by scope (2), and such a group its scope (1) and records (2): spans, metrics or
// log records.

/// A group by resource or by scope: whom its members belong to, and the members.
package struct OTLPGroup {
  /// The bytes of the resource or scope message; empty where the sender gave none.
  package let owner: UnsafeRawBufferPointer
  private let bytes: UnsafeRawBufferPointer

  /// Reads the group's owner.
  ///
  /// Of several the last counts.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    var cursor = ProtobufFieldCursor(bytes, field: 1)
    var owner = UnsafeRawBufferPointer(start: nil, count: 0)
    while let next = try cursor.next() { owner = next }
    self.owner = owner
    self.bytes = bytes
  }

  /// The groups by scope, or the records.
  package var members: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 2) }

  /// The groups by resource of an export request.
  package static func resources(of request: UnsafeRawBufferPointer) -> ProtobufFieldCursor {
    ProtobufFieldCursor(request, field: 1)
  }
}

/// An instrumentation scope, in place.
package struct OTLPScope {
  package private(set) var name = UnsafeRawBufferPointer(start: nil, count: 0)
  package private(set) var version = UnsafeRawBufferPointer(start: nil, count: 0)
  private let bytes: UnsafeRawBufferPointer

  /// Reads the scope's name and version.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    self.bytes = bytes
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2: name = try reader.readBytes()
      case 2 << 3 | 2: version = try reader.readBytes()
      default: try reader.skip(tag)
      }
    }
  }

  /// The scope's attributes, as `OTLPAttribute` reads them.
  package var attributes: ProtobufFieldCursor { ProtobufFieldCursor(bytes, field: 3) }
}

/// A key and its value, in place.
package struct OTLPAttribute {
  package private(set) var key = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The bytes of the AnyValue; empty for a value that is not set.
  package private(set) var value = UnsafeRawBufferPointer(start: nil, count: 0)

  /// The field of a resource message that holds its attributes.
  package static let fieldOfResource: UInt64 = 1

  /// Reads the key and finds the value.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2: key = try reader.readBytes()
      case 2 << 3 | 2: value = try reader.readBytes()
      default: try reader.skip(tag)
      }
    }
  }
}

/// An AnyValue, in place.
package enum OTLPAnyValue {
  case empty
  case string(UnsafeRawBufferPointer)
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case bytes(UnsafeRawBufferPointer)
  /// The bytes of the ArrayValue: its values are field 1.
  case array(UnsafeRawBufferPointer)
  /// The bytes of the KeyValueList: its attributes are field 1.
  case map(UnsafeRawBufferPointer)

  /// Reads one level; of several alternatives the last counts.
  package init(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) {
    self = .empty
    var reader = ProtobufReader(bytes)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2: self = .string(try reader.readBytes())
      case 2 << 3: self = .bool(try reader.readVarint() != 0)
      case 3 << 3: self = .int(Int64(bitPattern: try reader.readVarint()))
      case 4 << 3 | 1: self = .double(Double(bitPattern: try reader.readFixed64()))
      case 5 << 3 | 2: self = .array(try reader.readBytes())
      case 6 << 3 | 2: self = .map(try reader.readBytes())
      case 7 << 3 | 2: self = .bytes(try reader.readBytes())
      default: try reader.skip(tag)
      }
    }
  }
}
