// Labels of OTLP series: made only when a series is met for the first time, so in plain text.

import NeedletailOTLP
import NeedletailTelemetry

/// The labels that a resource and a scope give to all their series, and those of the resource's `target_info`.
struct OTLPResourceLabels {
  private(set) var job = ""
  private(set) var instance = ""
  /// The other attributes, for `target_info`.
  private(set) var others: [Label] = []
  /// Why the resource's series are not allowed.
  private(set) var problem: (reason: RejectionReason, detail: String)?

  /// Reads the resource: `service.namespace`/`service.name` become `job`, `service.instance.id` `instance`.
  init(resource: UnsafeRawBufferPointer) throws(ProtobufError) {
    var namespace = ""
    var name = ""
    var rest: [(key: String, value: String)] = []
    let found: [(key: String, value: String)]
    switch try OTLPLabels.attributes(ProtobufFieldCursor(resource, field: OTLPAttribute.fieldOfResource)) {
    case .attributes(let attributes): found = attributes
    case .refused(let reason, let detail):
      problem = (reason, "a resource: \(detail)")
      return
    }
    for (key, value) in found {
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

  /// Attributes of one resource, point or exemplar, and their bytes as sent.
  ///
  /// A series has far fewer labels; this bounds the work until that is found out, as attributes may also share a name
  /// or have none.
  private static let attributesMax = 256
  private static let attributeBytesMax = 64 << 10

  enum Outcome {
    case attributes([(key: String, value: String)])
    case refused(RejectionReason, String)
  }

  /// The attributes of a cursor as text, or why they are refused.
  static func attributes(_ cursor: ProtobufFieldCursor) throws(ProtobufError) -> Outcome {
    var cursor = cursor
    var found: [(key: String, value: String)] = []
    var byteCount = 0
    while let next = try cursor.next() {
      byteCount += next.count
      guard found.count < attributesMax, byteCount <= attributeBytesMax else {
        return .refused(.labelLimit, "more than \(attributesMax) attributes or \(attributeBytesMax) bytes of them")
      }
      let attribute = try OTLPAttribute(next)
      do throws(ProtobufError) {
        found.append((String(decoding: attribute.key, as: UTF8.self), try text(attribute.value)))
      } catch .nestedTooDeep {
        return .refused(.nestedTooDeep, "an attribute nests deeper than \(AttributeValue.depthMax)")
      }
    }
    return .attributes(found)
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
