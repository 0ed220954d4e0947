import NeedletailTelemetry

/// A trace as OTLP's `TracesData`: JSON or protobuf.
enum TraceDocument {
  /// The JSON form: identifiers in hexadecimal, 64-bit numbers as strings.
  static func json(_ fragments: [TraceFragment]) -> JSONWriter {
    var json = JSONWriter()
    json.object { json in
      json.key("resourceSpans")
      json.array { json in
        for group in groups(fragments) {
          json.object { json in
            json.key("resource")
            json.object { json in AttributeJSON.list("attributes", group.resource, to: &json) }
            json.key("scopeSpans")
            json.array { json in for fragment in group.fragments { scope(fragment, to: &json) } }
          }
        }
      }
    }
    return json
  }

  /// Fragments of one resource stand together.
  static func groups(_ fragments: [TraceFragment]) -> [(resource: [Attribute], fragments: [TraceFragment])] {
    var places: [[Attribute]: Int] = [:]
    var groups: [(resource: [Attribute], fragments: [TraceFragment])] = []
    for fragment in fragments {
      if let place = places[fragment.stream.resource] {
        groups[place].fragments.append(fragment)
      } else {
        places[fragment.stream.resource] = groups.count
        groups.append((fragment.stream.resource, [fragment]))
      }
    }
    return groups
  }

  private static func scope(_ fragment: TraceFragment, to json: inout JSONWriter) {
    json.object { json in
      json.key("scope")
      json.object { json in
        json.key("name")
        json.string(fragment.stream.scopeName)
        if !fragment.stream.scopeVersion.isEmpty {
          json.key("version")
          json.string(fragment.stream.scopeVersion)
        }
        AttributeJSON.list("attributes", fragment.stream.scopeAttributes, to: &json)
      }
      json.key("spans")
      json.array { json in for span in fragment.spans { SpanJSON.write(span, to: &json) } }
    }
  }
}
