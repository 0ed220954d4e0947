// OTLP metrics into batches of series, under Prometheus' names. As with remote write, a series that was seen before
// costs a hash of the bytes that name it (resource, scope, metric, encoded attributes, and which of the metric's
// series it is) and no text.

import NeedletailOTLP
import NeedletailTelemetry

/// Decodes ExportMetricsServiceRequest.
package struct OTLPMetricsDecoder {
  /// Which of the series of a metric.
  enum Role: UInt64 {
    case value = 1
    case sum = 2
    case count = 3
    case bucket = 4
    case quantile = 5
    case native = 6
    case targetInfo = 7
  }

  /// The metric whose points are being decoded.
  struct Metric {
    let view: OTLPMetric
    let hash: Hash128
    /// The family's name, once it was needed.
    var family: String?
    var isDelta: Bool { view.temporality == .delta && view.kind != .gauge && view.kind != .summary }
  }

  /// A point's times in ms, and the hash that its series' keys start from.
  struct PointContext {
    let common: OTLPPoint
    let time: Int64
    let start: Int64
    /// Nil where the attributes do not lie together.
    let hash: Hash128?
    /// The labels that all of the point's series have, once they were needed.
    fileprivate var labels: [Label]?
  }

  /// What tells a series from others of its point: `le` or `quantile`.
  typealias SeriesLabel = (name: String, value: Double)

  var output: SeriesOutput
  private var resourceLabels: OTLPResourceLabels?
  private var scopeLabels: [Label]?
  private var current: UnsafeRawBufferPointer
  private var currentScope: UnsafeRawBufferPointer
  private var resourceHash = Hash128(high: 0, low: 0)
  private var scopeHash = Hash128(high: 0, low: 0)
  /// The newest point of the current resource, in ms.
  private var newest: Int64 = .min

  private init(_ decoding: SeriesDecoding, bodyBytes: Int) {
    output = SeriesOutput(decoding, bodyBytes: bodyBytes)
    current = UnsafeRawBufferPointer(start: nil, count: 0)
    currentScope = current
  }

  /// Decodes an uncompressed request in protobuf.
  ///
  /// Points that are not allowed are left out and counted.
  ///
  /// Throws where the bytes are not such a request; then nothing of it may be kept.
  package static func decode(
    _ body: UnsafeRawBufferPointer, _ decoding: SeriesDecoding
  ) throws(ProtobufError) -> DecodedSeries {
    var decoder = OTLPMetricsDecoder(decoding, bodyBytes: body.count)
    var resources = OTLPGroup.resources(of: body)
    while let next = try resources.next() { try decoder.decodeResource(try OTLPGroup(next)) }
    return decoder.output.finish()
  }

  private mutating func decodeResource(_ group: OTLPGroup) throws(ProtobufError) {
    current = group.owner
    resourceLabels = nil
    resourceHash = Hash128.of(group.owner, seed: output.seed)
    newest = .min
    var scopes = group.members
    while let next = try scopes.next() {
      let scope = try OTLPGroup(next)
      currentScope = scope.owner
      scopeLabels = nil
      scopeHash = Hash128.of(scope.owner)
      var metrics = scope.members
      while let metric = try metrics.next() { try decodeMetric(try OTLPMetric(metric)) }
    }
    try appendTargetInfo()
  }

  private mutating func decodeMetric(_ view: OTLPMetric) throws(ProtobufError) {
    let type = UInt64(view.kind.rawValue) << 1 | (view.isMonotonic ? 1 : 0)
    let naming = Hash128.of(view.name, seed: xxHash64(view.unit, seed: type))
    let hash = combine(combine(resourceHash, scopeHash), naming)
    var metric = Metric(view: view, hash: hash, family: nil)
    guard isSupported(&metric) else {
      var points = view.points
      var count = 0
      while try points.next() != nil { count += 1 }
      let reason: RejectionReason = view.kind == .none ? .unsupportedMetric : .unsupportedTemporality
      output.reject(
        reason, count: count, "metric \(text(view.name).debugDescription): \(reason.rawValue)")
      return
    }
    var points = view.points
    while let bytes = try points.next() {
      guard output.hasRoom else {
        output.reject(.requestLimit, "too many points in a request")
        continue
      }
      guard !metric.isDelta || output.hasRoomForChange else {
        output.reject(.requestLimit, "too many points of delta temporality in a request; send smaller batches")
        continue
      }
      switch view.kind {
      case .gauge, .sum: try decodeNumber(try OTLPNumberPoint(bytes), &metric)
      case .histogram: try decodeHistogram(try OTLPHistogramPoint(bytes), &metric)
      case .exponentialHistogram: try decodeExponential(try OTLPExponentialPoint(bytes), &metric)
      case .summary: try decodeSummary(try OTLPSummaryPoint(bytes), &metric)
      case .none: break
      }
      _ = output.cutIfLarge()
    }
  }

  private func isSupported(_ metric: inout Metric) -> Bool {
    switch metric.view.kind {
    case .none: false
    case .gauge, .summary: true
    case .sum, .histogram, .exponentialHistogram: metric.view.temporality != .unspecified
    }
  }

  // MARK: Points and series

  /// A point's times; nil, and the point is counted as rejected, where they are not usable.
  mutating func context(of common: OTLPPoint, _ metric: Metric) -> PointContext? {
    guard common.time > 0, let time = Int64(exactly: common.time), let start = Int64(exactly: common.start) else {
      output.reject(
        .invalidTimestamp, "metric \(text(metric.view.name).debugDescription): a point's time is 0 or out of range")
      return nil
    }
    let milliseconds = time / 1_000_000
    newest = max(newest, milliseconds)
    let hash = common.isScattered ? nil : combine(metric.hash, Hash128.of(common.attributeRegion))
    return PointContext(common: common, time: milliseconds, start: start / 1_000_000, hash: hash, labels: nil)
  }

  /// The identity of one of the point's series; nil, and the point is counted as rejected, where it has none.
  ///
  /// `suffix` goes behind the family's name.
  mutating func series(
    _ point: inout PointContext, _ metric: inout Metric, _ role: Role, suffix: StaticString = "",
    label: SeriesLabel? = nil
  ) throws(ProtobufError) -> SeriesID? {
    var key = point.hash
    if let hash = key { key = combine(hash, Hash128(high: role.rawValue, low: label?.value.bitPattern ?? 0)) }
    if let known = output.known(key) { return known }
    let family = try define(&metric)
    guard !family.isEmpty else {
      output.reject(.missingName, "a metric has no name")
      return nil
    }
    guard let common = try labels(of: &point) else { return nil }
    var own = [Label(LabelSet.nameLabel, family + "\(suffix)")]
    if let label { own.append(Label(label.name, MetricNaming.number(label.value))) }
    switch define(common, own, key: key) {
    case .series(let id): return id
    case .refused(let reason, let detail):
      output.reject(reason, detail)
      return nil
    }
  }

  /// What all series of a point are labelled with: made once, as a histogram has many series.
  private mutating func labels(of point: inout PointContext) throws(ProtobufError) -> [Label]? {
    if let labels = point.labels { return labels }
    let resource = try loadedResource()
    if let (reason, detail) = resource.problem {
      output.reject(reason, detail)
      return nil
    }
    var all: [Label]
    switch try OTLPLabels.attributes(point.common.attributes) {
    case .attributes(let attributes): all = OTLPLabels.joined(attributes)
    case .refused(let reason, let detail):
      output.reject(reason, "a point: \(detail)")
      return nil
    }
    all += try loadedScope()
    if !resource.job.isEmpty { all.append(Label("job", resource.job)) }
    if !resource.instance.isEmpty { all.append(Label("instance", resource.instance)) }
    // What comes later overrides what came before, as the attributes of a point may not pose as its job.
    var last: [String: Int] = [:]
    for (index, label) in all.enumerated() { last[label.name] = index }
    let labels = all.enumerated().filter { last[$1.name] == $0 && !$1.value.isEmpty }.map(\.element)
    guard labels.count <= output.decoding.limits.labelsMax else {
      output.reject(.labelLimit, "\(labels.count) labels are more than \(output.decoding.limits.labelsMax)")
      return nil
    }
    point.labels = labels
    return labels
  }

  /// Defines the series of labels that several have in common and of its own, which come before those.
  private mutating func define(_ common: [Label], _ own: [Label], key: Hash128?) -> Definition {
    output.labels.removeAll()
    var total = 0
    for label in common where !own.contains(where: { $0.name == label.name }) {
      if let problem = add(label, total: &total) { return problem }
    }
    for label in own where !label.value.isEmpty {
      if let problem = add(label, total: &total) { return problem }
    }
    return output.define(key: key)
  }

  private mutating func add(_ label: Label, total: inout Int) -> Definition? {
    var (name, value) = (label.name, label.value)
    let problem = name.withUTF8 { name in
      value.withUTF8 { value in
        output.addLabel(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer(value), total: &total)
      }
    }
    guard let (reason, detail) = problem else { return nil }
    output.labels.removeAll()
    return .refused(reason, detail)
  }

  /// The family's name; the first time in a request its metadata is put among the definitions.
  private mutating func define(_ metric: inout Metric) throws(ProtobufError) -> String {
    if let family = metric.family { return family }
    let unit = text(metric.view.unit)
    let family = MetricNaming.family(
      name: text(metric.view.name), unit: unit, kind: metric.view.kind, isMonotonic: metric.view.isMonotonic)
    metric.family = family
    let kind: MetricMetadata.Kind =
      switch metric.view.kind {
      case .sum: metric.view.isMonotonic ? .counter : .gauge
      case .histogram, .exponentialHistogram: .histogram
      case .summary: .summary
      case .gauge: .gauge
      case .none: .unknown
      }
    let help = String(decoding: metric.view.description.prefix(output.decoding.limits.valueBytesMax), as: UTF8.self)
    if !family.isEmpty, family.utf8.count <= output.decoding.limits.valueBytesMax {
      output.append(metric: family, MetricMetadata(kind: kind, unit: MetricNaming.unitText(unit), help: help))
    }
    return family
  }

  /// The scope as labels, where it has a name.
  private mutating func loadedScope() throws(ProtobufError) -> [Label] {
    if let scopeLabels { return scopeLabels }
    let scope = try OTLPScope(currentScope)
    var labels: [Label] = []
    if !scope.name.isEmpty {
      let textMax = output.decoding.limits.valueBytesMax
      // A byte more than is allowed is enough to be refused.
      labels.append(Label("otel_scope_name", text(scope.name.prefix(textMax + 1))))
      labels.append(Label("otel_scope_version", text(scope.version.prefix(textMax + 1))))
    }
    scopeLabels = labels
    return labels
  }

  private mutating func loadedResource() throws(ProtobufError) -> OTLPResourceLabels {
    if let resourceLabels { return resourceLabels }
    let loaded = try OTLPResourceLabels(resource: current)
    resourceLabels = loaded
    return loaded
  }

  /// `target_info` carries the resource's other attributes, to be joined by `job` and `instance`, at the time of its
  /// newest point.
  private mutating func appendTargetInfo() throws(ProtobufError) {
    guard newest != .min else { return }
    let key = combine(resourceHash, Hash128(high: Role.targetInfo.rawValue, low: 0))
    var id = output.known(key)
    if id == nil {
      let resource = try loadedResource()
      guard !resource.others.isEmpty, !(resource.job.isEmpty && resource.instance.isEmpty) else { return }
      let own = [
        Label("job", resource.job), Label("instance", resource.instance), Label(LabelSet.nameLabel, "target_info"),
      ]
      switch define(resource.others, own, key: key) {
      case .series(let defined): id = defined
      case .refused(let reason, let detail): output.warn(reason, "target_info: \(detail)")
      }
    }
    guard let id else { return }
    output.builder.beginSeries(id)
    output.builder.append(timestamp: newest, valueBits: 1.0.bitPattern)
  }

  func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

  /// One hash of two: the words of both are hashed again.
  private func combine(_ one: Hash128, _ other: Hash128) -> Hash128 {
    withUnsafeBytes(of: (one.high, one.low, other.high, other.low)) { Hash128.of($0) }
  }
}
