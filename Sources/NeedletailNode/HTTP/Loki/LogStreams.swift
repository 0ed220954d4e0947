import NeedletailQueryEngine
import NeedletailTelemetry

/// Log records as Loki's API groups them: lines by the full set of their labels.
///
/// Loki adds what a record knows beyond its stream (attributes, trace, level) to the labels unless a client asks for
/// the two apart, so that every client sees it; so do we.
struct LogStreams {
  private struct Line {
    var time: Int64
    var text: String
  }

  private var streams: [(labels: [Label], lines: [Line])] = []

  init(_ columns: EventColumns<LogRecord>) {
    var places: [LabelSet: Int] = [:]
    for row in 0..<min(columns.count, columns.records.count) {
      let record = columns.records[row]
      let streamIndex = columns.streamIndexes[row]
      let stream = columns.streams.indices.contains(streamIndex) ? columns.streams[streamIndex] : .empty
      let labels = Self.labels(of: record, stream)
      let line = Line(time: columns.timestamps[row], text: record.body.text)
      if let place = places[labels] {
        streams[place].lines.append(line)
      } else {
        places[labels] = streams.count
        streams.append((labels.labels, [line]))
      }
    }
  }

  /// Appends the array of streams: `{"stream": {...}, "values": [["nanoseconds", "line"], ...]}`.
  func write(to json: inout JSONWriter) {
    json.beginArray()
    for stream in streams {
      json.beginObject()
      json.key("stream")
      json.beginObject()
      for label in stream.labels {
        json.key(label.name)
        json.string(label.value)
      }
      json.endObject()
      json.key("values")
      json.beginArray()
      for line in stream.lines {
        json.beginArray()
        json.quotedInteger(line.time)
        json.string(line.text)
        json.endArray()
      }
      json.endArray()
      json.endObject()
    }
    json.endArray()
  }

  /// The stream's labels and, where they do not hide one of these, what else the record says.
  private static func labels(of record: LogRecord, _ stream: LabelSet) -> LabelSet {
    var builder = LabelSetBuilder()
    for attribute in record.attributes { builder.set(labelName(attribute.key), attribute.value.text) }
    if !record.eventName.isEmpty { builder.set("event_name", record.eventName) }
    if record.traceID.isValid { builder.set("trace_id", record.traceID.description) }
    if record.spanID.isValid { builder.set("span_id", record.spanID.description) }
    builder.set("level", record.level)
    for label in stream.labels { builder.set(label.name, label.value) }
    return builder.build()
  }

  /// A name with everything but letters, digits and `_` made `_`, as Loki names what comes over OTLP.
  static func labelName(_ key: String) -> String {
    var bytes = key.utf8.map { byte -> UInt8 in
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: byte
      default: UInt8(ascii: "_")
      }
    }
    if let first = bytes.first, (0x30...0x39).contains(first) { bytes.insert(UInt8(ascii: "_"), at: 0) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
