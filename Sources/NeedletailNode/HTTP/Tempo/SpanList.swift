import NeedletailQueryEngine
import NeedletailTelemetry
import NeedletailWire

/// Spans that a query of ours selects: `{"stream": {...}, "values": [["nanoseconds", span], ...]}` for each stream, a
/// span in OTLP's JSON form.
enum SpanList {
  static func write(_ columns: EventColumns<SpanRecord>, to json: inout JSONWriter) {
    let rows = 0..<min(columns.count, columns.records.count)
    let byStream = Dictionary(grouping: rows) { columns.streamIndexes[$0] }
    json.beginArray()
    for (index, labels) in columns.streams.enumerated() {
      guard let rows = byStream[index] else { continue }
      json.beginObject()
      json.key("stream")
      SeriesJSON.labels(labels, to: &json)
      json.key("values")
      json.beginArray()
      for row in rows {
        json.beginArray()
        json.quotedInteger(columns.timestamps[row])
        json.verbatim(OTLPTraceJSON.json(columns.records[row]))
        json.endArray()
      }
      json.endArray()
      json.endObject()
    }
    json.endArray()
  }
}
