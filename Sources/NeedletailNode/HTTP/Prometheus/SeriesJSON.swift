import NeedletailQueryEngine
import NeedletailTelemetry

/// One series of an answer in Prometheus' JSON form.
enum SeriesJSON {
  /// Writes series `row`; `nextHistogram` walks along the columns' histograms and starts at 0 with the first row.
  static func write(
    _ columns: SeriesColumns, row: Int, isVector: Bool, nextHistogram: inout Int, to json: inout JSONWriter
  ) {
    let samples = columns.offsets[row]..<columns.offsets[row + 1]
    let firstHistogram = nextHistogram
    while nextHistogram < columns.histogramIndexes.count, columns.histogramIndexes[nextHistogram] < samples.upperBound {
      nextHistogram += 1
    }
    let histograms = firstHistogram..<nextHistogram
    json.object { json in
      json.key("metric")
      labels(columns.labels[row], to: &json)
      if isVector {
        writeInstant(columns, samples, histograms, to: &json)
      } else {
        writeRange(columns, samples, histograms, to: &json)
      }
    }
  }

  static func labels(_ set: LabelSet, to json: inout JSONWriter) {
    json.beginObject()
    set.forEach { name, value in json.member(bytes: name, value) }
    json.endObject()
  }

  private static func writeInstant(
    _ columns: SeriesColumns, _ samples: Range<Int>, _ histograms: Range<Int>, to json: inout JSONWriter
  ) {
    guard let sample = samples.last else { return }
    if let index = histograms.last, columns.histogramIndexes[index] == sample {
      json.key("histogram")
      histogram(columns.histograms[index], at: columns.timestamps[sample], to: &json)
    } else {
      json.key("value")
      json.point(columns.timestamps[sample], columns.values[sample])
    }
  }

  private static func writeRange(
    _ columns: SeriesColumns, _ samples: Range<Int>, _ histograms: Range<Int>, to json: inout JSONWriter
  ) {
    if samples.count > histograms.count {
      json.key("values")
      json.beginArray()
      if histograms.isEmpty {
        columns.timestamps.withUnsafeBufferPointer { times in
          columns.values.withUnsafeBufferPointer { values in
            json.points(.init(rebasing: times[samples]), .init(rebasing: values[samples]))
          }
        }
      } else {
        numbers(columns, samples, histograms, to: &json)
      }
      json.endArray()
    }
    guard !histograms.isEmpty else { return }
    json.key("histograms")
    json.beginArray()
    for index in histograms {
      histogram(columns.histograms[index], at: columns.timestamps[columns.histogramIndexes[index]], to: &json)
    }
    json.endArray()
  }

  /// The samples that are numbers of a series that has both.
  private static func numbers(
    _ columns: SeriesColumns, _ samples: Range<Int>, _ histograms: Range<Int>, to json: inout JSONWriter
  ) {
    var next = histograms.lowerBound
    for sample in samples {
      if next < histograms.upperBound, columns.histogramIndexes[next] == sample {
        next += 1
      } else {
        json.point(columns.timestamps[sample], columns.values[sample])
      }
    }
  }

  /// A histogram's buckets are `[rule, lower, upper, count]`; the rule says which ends belong to the bucket: 0 the
  /// upper, 1 the lower, 2 neither, 3 both.
  private static func histogram(_ histogram: NativeHistogram, at time: Int64, to json: inout JSONWriter) {
    json.array { json in
      json.seconds(fromMilliseconds: time)
      json.object { json in
        json.key("count")
        json.quotedNumber(histogram.count)
        json.key("sum")
        json.quotedNumber(histogram.sum)
        let buckets = histogram.buckets.filter { $0.count != 0 }
        guard !buckets.isEmpty else { return }
        json.key("buckets")
        json.array { json in
          for bucket in buckets {
            json.array { json in
              json.integer(bucket.includesLower ? (bucket.includesUpper ? 3 : 1) : (bucket.includesUpper ? 0 : 2))
              json.quotedNumber(bucket.lower)
              json.quotedNumber(bucket.upper)
              json.quotedNumber(bucket.count)
            }
          }
        }
      }
    }
  }
}
