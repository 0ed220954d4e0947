import NeedletailOTLP
import Tracing

extension ProtobufWriter {
  /// Writes attributes of the façade as field `number`.
  ///
  /// - Returns: how many the limits left out.
  mutating func attributes(
    _ number: UInt32, _ attributes: SpanAttributes, limits: Needletail.Configuration.Limits
  ) -> Int {
    if attributes.isEmpty { return 0 }
    var left = limits.attributes
    attributes.forEach { name, value in
      left -= 1
      if left >= 0 { attribute(number, name) { $0.anyValue(value, textBytes: limits.textBytes) } }
    }
    return max(0, -left)
  }

  /// Writes the content of an `AnyValue`.
  private mutating func anyValue(_ value: SpanAttribute, textBytes: Int) {
    switch value {
    case .int32(let value): anyValue(Int64(value))
    case .int64(let value): anyValue(value)
    case .double(let value): anyValue(value)
    case .bool(let value): anyValue(value)
    case .string(let value): anyValue(value.truncated(toBytes: textBytes))
    case .int32Array(let values): anyValue(array: values) { $0.anyValue(Int64($1)) }
    case .int64Array(let values): anyValue(array: values) { $0.anyValue($1) }
    case .doubleArray(let values): anyValue(array: values) { $0.anyValue($1) }
    case .boolArray(let values): anyValue(array: values) { $0.anyValue($1) }
    case .stringArray(let values): anyValue(array: values) { $0.anyValue($1.truncated(toBytes: textBytes)) }
    case .stringConvertible(let value): anyValue(value.description.truncated(toBytes: textBytes))
    case .stringConvertibleArray(let values):
      anyValue(array: values) { $0.anyValue($1.description.truncated(toBytes: textBytes)) }
    default: anyValue("")
    }
  }
}
