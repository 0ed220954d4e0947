// KeyValue { 1: key, 2: AnyValue } and AnyValue { 1: string, 2: bool, 3: int, 4: double, 5: ArrayValue { 1: AnyValue … },
// 6: KeyValueList { 1: KeyValue … }, 7: bytes } of opentelemetry/proto/common/v1/common.proto.

extension ProtobufWriter {
  /// Writes an attribute (`KeyValue`) whose value `value` writes as the one field of an `AnyValue`.
  @inline(__always)
  package mutating func attribute(_ number: UInt32, _ key: String, value: (inout ProtobufWriter) -> Void) {
    field(number) { pair in
      pair.field(1, string: key)
      pair.field(2, message: value)
    }
  }

  /// Writes an attribute with text.
  package mutating func attribute(_ number: UInt32, _ key: String, _ text: String) {
    attribute(number, key) { $0.field(1, string: text) }
  }

  /// Writes an attribute with an integer.
  package mutating func attribute(_ number: UInt32, _ key: String, _ integer: Int64) {
    attribute(number, key) { $0.anyValue(integer) }
  }

  /// Writes an attribute with a floating-point number.
  package mutating func attribute(_ number: UInt32, _ key: String, _ double: Double) {
    attribute(number, key) { $0.anyValue(double) }
  }

  /// Writes an attribute with a truth value.
  package mutating func attribute(_ number: UInt32, _ key: String, _ bool: Bool) {
    attribute(number, key) { $0.anyValue(bool) }
  }

  /// Writes the content of an `AnyValue` that is text.
  package mutating func anyValue(_ text: String) { field(1, string: text) }

  /// Writes the content of an `AnyValue` that is a truth value.
  package mutating func anyValue(_ bool: Bool) { field(2, bool: bool) }

  /// Writes the content of an `AnyValue` that is an integer.
  package mutating func anyValue(_ integer: Int64) { field(3, int64: integer) }

  /// Writes the content of an `AnyValue` that is a floating-point number.
  package mutating func anyValue(_ double: Double) { field(4, double: double) }

  /// Writes the content of an `AnyValue` that is an array; `element` writes the content of one element's `AnyValue`.
  package mutating func anyValue<Element>(
    array: [Element], _ element: (inout ProtobufWriter, Element) -> Void
  ) {
    field(5) { list in
      for item in array { list.field(1) { element(&$0, item) } }
    }
  }

  /// Writes the content of an `AnyValue` that is a map; `pairs` writes its entries as attributes of field 1.
  package mutating func anyValue(map pairs: (inout ProtobufWriter) -> Void) {
    field(6, message: pairs)
  }
}
