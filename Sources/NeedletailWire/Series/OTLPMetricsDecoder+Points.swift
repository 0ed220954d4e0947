import NeedletailOTLP
import NeedletailTelemetry

/// The kinds of points.
extension OTLPMetricsDecoder {
  /// Exemplars of one point that are looked at.
  private static let exemplarsMax = 64
  /// Buckets of one histogram with explicit bounds: each is a series.
  private static let bucketsMax = 4096

  /// Puts one value of a series where it belongs: a sample, a stale marker, or a change for the accumulator.
  private mutating func append(_ value: Double, to id: SeriesID, _ point: PointContext, isDelta: Bool) {
    // The stale marker is a NaN, and only the flag means it.
    let value = StaleMarker.matches(value) ? .nan : value
    if point.common.hasNoRecordedValue {
      output.builder.beginSeries(id)
      output.builder.append(timestamp: point.time, valueBits: StaleMarker.bitPattern)
    } else if isDelta {
      output.decoded.append(
        DeltaPoint(
          series: id, start: point.start, time: point.time, value: .number(value),
          point: output.decoded.deltaPointCount))
    } else {
      output.builder.beginSeries(id, startTimestamp: point.start == 0 ? nil : point.start)
      output.builder.append(timestamp: point.time, valueBits: value.bitPattern)
    }
  }

  /// Counts a point, after its values.
  private mutating func count(_ point: PointContext, isDelta: Bool) {
    if isDelta && !point.common.hasNoRecordedValue {
      output.decoded.deltaPointCount += 1
    } else {
      output.decoded.sampleCount += 1
    }
  }

  mutating func decodeNumber(_ point: OTLPNumberPoint, _ metric: inout Metric) throws(ProtobufError) {
    guard var context = context(of: point.common, metric), let id = try series(&context, &metric, .value) else {
      return
    }
    append(point.value, to: id, context, isDelta: metric.isDelta)
    if point.common.hasExemplars {
      if metric.isDelta { output.builder.beginSeries(id) }
      for exemplar in try exemplars(of: point.common) { append(exemplar) }
    }
    count(context, isDelta: metric.isDelta)
  }

  /// A histogram with explicit bounds: `_bucket` series that count all up to their bound, `_count`, and `_sum` where
  /// it is known.
  mutating func decodeHistogram(_ point: OTLPHistogramPoint, _ metric: inout Metric) throws(ProtobufError) {
    guard var context = context(of: point.common, metric) else { return }
    guard try hasFittingBuckets(point) else {
      output.reject(
        .invalidHistogram,
        "metric \(text(metric.view.name).debugDescription): bounds do not rise, are too many or do not fit the counts")
      return
    }
    // All identities come first, so that no half of a histogram is taken.
    guard let countID = try series(&context, &metric, .count, suffix: "_count"),
      let sumID = try point.sum == nil ? countID : series(&context, &metric, .sum, suffix: "_sum"),
      let buckets = try buckets(point, &context, &metric)
    else { return }
    append(Double(point.count), to: countID, context, isDelta: metric.isDelta)
    if let sum = point.sum { append(sum, to: sumID, context, isDelta: metric.isDelta) }
    let exemplars = point.common.hasExemplars ? try exemplars(of: point.common) : []
    var counts = point.bucketCounts
    var below = 0.0
    var previous = -Double.infinity
    for (bound, id) in buckets {
      if let count = try counts.next() { below += Double(count) }
      let total = bound == .infinity ? Double(point.count) : below
      append(total, to: id, context, isDelta: metric.isDelta)
      let inBucket = exemplars.filter { $0.value > previous && $0.value <= bound }
      if !inBucket.isEmpty && metric.isDelta { output.builder.beginSeries(id) }
      for exemplar in inBucket { append(exemplar) }
      previous = bound
    }
    count(context, isDelta: metric.isDelta)
  }

  /// The bounds and identities of a histogram's buckets; the last bound is infinity.
  private mutating func buckets(
    _ point: OTLPHistogramPoint, _ context: inout PointContext, _ metric: inout Metric
  ) throws(ProtobufError) -> [(bound: Double, id: SeriesID)]? {
    var buckets: [(bound: Double, id: SeriesID)] = []
    var bounds = point.bounds
    while true {
      let word = try bounds.next()
      let bound = word.map { Double(bitPattern: $0) } ?? .infinity
      guard let id = try series(&context, &metric, .bucket, suffix: "_bucket", label: ("le", bound)) else { return nil }
      buckets.append((bound, id))
      if word == nil { return buckets }
    }
  }

  /// Whether there is one count more than bounds, or none of either, and the bounds rise.
  private func hasFittingBuckets(_ point: OTLPHistogramPoint) throws(ProtobufError) -> Bool {
    var counts = point.bucketCounts
    var countCount = 0
    while try counts.next() != nil { countCount += 1 }
    var bounds = point.bounds
    var boundCount = 0
    var previous = -Double.infinity
    while let word = try bounds.next() {
      let bound = Double(bitPattern: word)
      guard bound > previous, bound < .infinity, boundCount < Self.bucketsMax else { return false }
      previous = bound
      boundCount += 1
    }
    if countCount == 0 { return boundCount == 0 || point.common.hasNoRecordedValue }
    return countCount == boundCount + 1
  }

  mutating func decodeExponential(_ point: OTLPExponentialPoint, _ metric: inout Metric) throws(ProtobufError) {
    guard var context = context(of: point.common, metric) else { return }
    switch try ExponentialHistogram.convert(point) {
    case .invalid(let why):
      output.reject(.invalidHistogram, "metric \(text(metric.view.name).debugDescription): \(why)")
    case .valid(let histogram):
      guard let id = try series(&context, &metric, .native) else { return }
      let isChange = metric.isDelta && !point.common.hasNoRecordedValue
      if isChange {
        output.decoded.append(
          DeltaPoint(
            series: id, start: context.start, time: context.time, value: .histogram(histogram),
            point: output.decoded.deltaPointCount))
        output.decoded.deltaPointCount += 1
      } else {
        output.builder.beginSeries(id, startTimestamp: context.start == 0 ? nil : context.start)
        output.builder.append(timestamp: context.time, histogram: histogram)
        output.decoded.histogramCount += 1
      }
      if point.common.hasExemplars {
        if isChange { output.builder.beginSeries(id) }
        for exemplar in try exemplars(of: point.common) { append(exemplar) }
      }
    }
  }

  mutating func decodeSummary(_ point: OTLPSummaryPoint, _ metric: inout Metric) throws(ProtobufError) {
    guard var context = context(of: point.common, metric),
      let countID = try series(&context, &metric, .count, suffix: "_count"),
      let sumID = try series(&context, &metric, .sum, suffix: "_sum")
    else { return }
    var values: [(value: Double, id: SeriesID)] = []
    var quantiles = point.quantiles
    while let bytes = try quantiles.next() {
      guard values.count < Self.bucketsMax else {
        output.reject(.requestLimit, "a summary has more than \(Self.bucketsMax) quantiles")
        return
      }
      let quantile = try OTLPQuantile(bytes)
      guard let id = try series(&context, &metric, .quantile, label: ("quantile", quantile.quantile)) else { return }
      values.append((quantile.value, id))
    }
    append(Double(point.count), to: countID, context, isDelta: false)
    append(point.sum, to: sumID, context, isDelta: false)
    for (value, id) in values { append(value, to: id, context, isDelta: false) }
    count(context, isDelta: false)
  }

  // MARK: Exemplars

  private mutating func append(_ exemplar: Exemplar) {
    output.builder.append(exemplar: exemplar)
    output.decoded.exemplarCount += 1
  }

  /// The point's exemplars: labelled by trace and span, then by the attributes that the point's series leaves out.
  private mutating func exemplars(of point: OTLPPoint) throws(ProtobufError) -> [Exemplar] {
    var result: [Exemplar] = []
    var cursor = point.exemplars
    while result.count < Self.exemplarsMax, let bytes = try cursor.next() {
      let view = try OTLPExemplar(bytes)
      guard let time = Int64(exactly: view.time) else { continue }
      var labels: [Label]
      switch try OTLPLabels.attributes(view.filteredAttributes) {
      case .attributes(let attributes): labels = OTLPLabels.joined(attributes)
      case .refused(_, let detail):
        output.warn(.invalidExemplar, "an exemplar: \(detail)")
        continue
      }
      if let trace = TraceID(bytes: view.traceID), trace.isValid { labels.append(Label("trace_id", trace.description)) }
      if let span = SpanID(bytes: view.spanID), span.isValid { labels.append(Label("span_id", span.description)) }
      let size = labels.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
      guard size <= output.decoding.limits.valueBytesMax, labels.count <= output.decoding.limits.labelsMax else {
        output.warn(.invalidExemplar, "an exemplar's labels are too many or too long")
        continue
      }
      result.append(
        Exemplar(timestampMilliseconds: time / 1_000_000, value: view.value, labels: LabelSet(labels)))
    }
    return result
  }
}
