// Labels of OTLP series: made only when a series is met for the first time, so in plain text.

import NeedletailOTLP
import NeedletailTelemetry

/// The labels that a resource and a scope give to all their series, and those of the resource's `target_info`.
struct OTLPResourceLabels {
  private(set) var job = ""
  private(set) var instance = ""
  /// The other attributes, for `target_info`.
  private(set) var others: [Label] = []

  /// Reads the resource: `service.namespace`/`service.name` become `job`, `service.instance.id` `instance`.
  init(resource: UnsafeRawBufferPointer) throws(ProtobufError) {
    var namespace = ""
    var name = ""
    var rest: [(key: String, value: String)] = []
    var cursor = ProtobufFieldCursor(resource, field: OTLPAttribute.fieldOfResource)
    while let next = try cursor.next() {
      let attribute = try OTLPAttribute(next)
      let key = String(decoding: attribute.key, as: UTF8.self)
      let value = try OTLPLabels.text(attribute.value)
      switch key {
      case "service.namespace": namespace = value
      case "service.name": name = value
      case "service.instance.id": instance = value
      default: rest.append((key, value))
      }
    }
    if !name.isEmpty { job = namespace.isEmpty ? name : namespace + "/" + name }
    others = OTLPLabels.joined(rest)
  }
}

enum OTLPLabels {
  /// Attributes as labels.
  ///
  /// Those whose names become the same are joined by `;`, in the order of their keys.
  static func joined(_ attributes: [(key: String, value: String)]) -> [Label] {
    var result: [Label] = []
    var positions: [String: Int] = [:]
    for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
      let name = MetricNaming.label(key)
      guard !name.isEmpty else { continue }
      if let position = positions[name] {
        result[position].value += ";" + value
      } else {
        positions[name] = result.count
        result.append(Label(name, value))
      }
    }
    return result
  }

  /// The attributes of a cursor as labels.
  static func labels(_ cursor: ProtobufFieldCursor) throws(ProtobufError) -> [Label] {
    var cursor = cursor
    var found: [(key: String, value: String)] = []
    while let next = try cursor.next() {
      let attribute = try OTLPAttribute(next)
      found.append((String(decoding: attribute.key, as: UTF8.self), try text(attribute.value)))
    }
    return joined(found)
  }

  /// A value as the text of a label; lists and maps as JSON.
  static func text(_ bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> String {
    if case .string(let text) = try OTLPAnyValue(bytes) { return String(decoding: text, as: UTF8.self) }
    var result = ""
    try appendJSON(bytes, isTop: true, depth: 0, to: &result)
    return result
  }

  private static func appendJSON(
    _ bytes: UnsafeRawBufferPointer, isTop: Bool, depth: Int, to result: inout String
  ) throws(ProtobufError) {
    guard depth <= AttributeValue.depthMax else { throw .nestedTooDeep }
    switch try OTLPAnyValue(bytes) {
    case .empty: result += isTop ? "" : "null"
    case .string(let text): JSONText.appendString(String(decoding: text, as: UTF8.self), to: &result)
    case .bool(let flag): result += flag ? "true" : "false"
    case .int(let number): result += String(number)
    case .double(let number): result += MetricNaming.number(number)
    case .bytes(let raw):
      if isTop { result += JSONText.base64(raw) } else { result += "\"" + JSONText.base64(raw) + "\"" }
    case .array(let list):
      result += "["
      var cursor = ProtobufFieldCursor(list, field: 1)
      var isFirst = true
      while let value = try cursor.next() {
        if !isFirst { result += "," }
        isFirst = false
        try appendJSON(value, isTop: false, depth: depth + 1, to: &result)
      }
      result += "]"
    case .map(let list):
      result += "{"
      var cursor = ProtobufFieldCursor(list, field: 1)
      var isFirst = true
      while let next = try cursor.next() {
        if !isFirst { result += "," }
        isFirst = false
        let attribute = try OTLPAttribute(next)
        JSONText.appendString(String(decoding: attribute.key, as: UTF8.self), to: &result)
        result += ":"
        try appendJSON(attribute.value, isTop: false, depth: depth + 1, to: &result)
      }
      result += "}"
    }
  }
}
