// What the two metrics decoders share: the way from labels to an identity, and the batches that they fill.

import NeedletailTelemetry

/// Bounds on what a sender may name a series, and on what one request may hold.
package struct SeriesLimits: Sendable {
  package var labelsMax = 64
  package var nameBytesMax = 1024
  package var valueBytesMax = 4096
  /// Bytes of all names and values of a series together.
  package var seriesBytesMax = 16 << 10
  /// Samples, histograms, exemplars and series of samples in one request: an empty one is two bytes on the wire and
  /// up to 64 in memory.
  package var samplesMax = 2 << 20
  /// Bytes of the labels of all series that one request may define.
  ///
  /// A request also may not define more than 32 times its own bytes (or 16 MiB), as each bucket of a histogram, 16
  /// bytes on the wire, is a series with all labels of its point.
  package var definitionBytesMax = 256 << 20

  /// Bytes in memory of the changes (delta temporality) of one request: a million of numbers.
  package var deltaBytesMax = (1 << 20) * MemoryLayout<DeltaPoint>.stride

  package init() {}
}

/// What a metrics decoder needs to know beside the body.
package struct SeriesDecoding: Sendable {
  package let tenant: TenantID
  /// Names the batches, so that a retry of the same body is recognised.
  package let batchID: Hash128
  package let resolver: SeriesResolver
  package let limits: SeriesLimits
  /// Whether every series is defined, known or not: for the second try after the engine said that it does not know one.
  package let alwaysDefine: Bool
  /// Whether a series is taken; nil where all are.
  package let admits: (@Sendable (SeriesID) -> Bool)?

  package init(
    tenant: TenantID, batchID: Hash128, resolver: SeriesResolver, limits: SeriesLimits = SeriesLimits(),
    alwaysDefine: Bool = false, admits: (@Sendable (SeriesID) -> Bool)? = nil
  ) {
    self.admits = admits
    self.tenant = tenant
    self.batchID = batchID
    self.resolver = resolver
    self.limits = limits
    self.alwaysDefine = alwaysDefine
  }
}

/// What a metrics request came to.
package struct DecodedSeries: Sendable {
  package internal(set) var batches: [SeriesBatch] = []
  /// For each batch, the points in it as the sender counts them.
  package internal(set) var batchPointCounts: [Int] = []
  package internal(set) var definitions: [SeriesDefinitions] = []
  /// Points that need what came before; they are in no batch.
  package private(set) var deltas: [DeltaPoint] = []
  /// About what `deltas` take in memory, in bytes.
  package private(set) var deltaBytes = 0
  /// Float samples in the batches, as the sender counts them: a histogram's point is one.
  package internal(set) var sampleCount = 0
  /// Points that `deltas` came from.
  package internal(set) var deltaPointCount = 0
  package internal(set) var histogramCount = 0
  package internal(set) var exemplarCount = 0
  package internal(set) var rejections = Rejections()

  mutating func append(_ change: DeltaPoint) {
    deltas.append(change)
    deltaBytes += change.memoryBytes
  }

  /// Gives `deltas` away, so that whoever works on them is their only owner.
  package mutating func takeDeltas() -> [DeltaPoint] {
    let given = deltas
    (deltas, deltaBytes) = ([], 0)
    return given
  }
}

/// The way from labels to an identity, or why there is none.
enum Definition {
  case series(SeriesID)
  case refused(RejectionReason, String)
}

/// Collects rows and definitions, and cuts batches before they grow too large for a frame.
struct SeriesOutput {
  /// Room for what one more histogram or definition may add before the next cut.
  private static let cutBytes = Frame.bytesMax - (4 << 20)

  let decoding: SeriesDecoding
  /// The tenant's seed, worked out once.
  let seed: UInt64
  var builder = SeriesBatchBuilder()
  var labels = LabelSetBuilder()
  var decoded = DecodedSeries()
  private var definitions = SeriesDefinitionsBuilder()
  private var defined: Set<SeriesID> = []
  /// Bytes of labels that may still be defined.
  private var definitionBytesLeft: Int
  /// Where the request stands among the series that the resolver has seen.
  private var trail = SeriesTrail()
  /// What the batches cut so far hold.
  private var cutCounts = (samples: 0, histograms: 0, exemplars: 0, rows: 0)

  /// An output for a request of `bodyBytes` bytes.
  init(_ decoding: SeriesDecoding, bodyBytes: Int) {
    self.decoding = decoding
    definitionBytesLeft = min(decoding.limits.definitionBytesMax, max(16 << 20, min(bodyBytes, 1 << 30) * 32))
    seed = decoding.tenant.hashSeed
  }

  // MARK: Resolution

  /// The identity that the resolver has for a key, unless every series is to be defined again.
  @inline(__always)
  mutating func known(_ key: Hash128?) -> SeriesID? {
    guard let key, !decoding.alwaysDefine, let id = decoding.resolver.series(for: key, &trail) else { return nil }
    // One that is not taken goes the way of those that are not known, on which it is told why.
    if let admits = decoding.admits, !admits(id) { return nil }
    return id
  }

  /// The identities that the resolver has for the keys of a block; the bits of the answer name those without one.
  mutating func find(_ block: borrowing RemoteWriteBlock) -> UInt64 {
    var unknown = decoding.resolver.series(for: block.keys, into: block.ids, &trail)
    guard let admits = decoding.admits else { return unknown }
    for index in 0..<block.count where unknown & 1 << UInt64(index) == 0 {
      let (low, high) = (block.ids[2 * index], block.ids[2 * index + 1])
      let id = SeriesID(Hash128(high: UInt64(littleEndian: high), low: UInt64(littleEndian: low)))
      if !admits(id) { unknown |= 1 << UInt64(index) }
    }
    return unknown
  }

  /// Adds series of a block that the resolver knew, each with its sample.
  mutating func append(_ block: borrowing RemoteWriteBlock, _ range: Range<Int>) {
    builder.append(
      oneEach: UnsafeBufferPointer(rebasing: block.ids[(2 * range.lowerBound)..<(2 * range.upperBound)]),
      timestamps: UnsafeBufferPointer(rebasing: block.times[range]),
      values: UnsafeBufferPointer(rebasing: block.values[range]))
    decoded.sampleCount += range.count
  }

  /// Adds a series of a block that was just defined, with its sample.
  mutating func append(_ block: borrowing RemoteWriteBlock, _ index: Int, _ id: SeriesID) {
    builder.beginSeries(id)
    builder.append(
      timestamp: Int64(littleEndian: block.times[index]), valueBits: UInt64(littleEndian: block.values[index]))
    decoded.sampleCount += 1
  }

  /// Makes a series of what is in `labels`, defines it and remembers it under `key`; the labels are forgotten, and it
  /// is said why, where they are not allowed.
  mutating func define(key: Hash128?) -> Definition {
    if let (reason, detail) = problem() {
      let name = labels.build().metricName ?? ""
      return .refused(reason, "series \(name.prefix(128).debugDescription): \(detail)")
    }
    let set = labels.build()
    guard set.metricName != nil else { return .refused(.missingName, "a series has no __name__") }
    let id = set.withUnsafeBytes { SeriesID(Hash128.of($0, seed: seed)) }
    if let admits = decoding.admits, !admits(id) {
      let name = (set.metricName ?? "").prefix(128).debugDescription
      return .refused(.seriesLimit, "series \(name): the tenant has as many active series as it may")
    }
    if !defined.contains(id) {
      let bytes = set.canonicalBytes.count
      guard bytes <= definitionBytesLeft else {
        return .refused(.requestLimit, "the labels of a request's new series are too long together")
      }
      definitionBytesLeft -= bytes
      defined.insert(id)
      definitions.append(id, labels: set)
      if definitions.byteCountEstimate > Self.cutBytes { cutDefinitions() }
    }
    if let key { decoding.resolver.remember(id, for: key) }
    return .series(id)
  }

  /// What forbids the labels collected so far.
  private mutating func problem() -> (RejectionReason, String)? {
    if labels.count > decoding.limits.labelsMax {
      return (.labelLimit, "\(labels.count) labels are more than \(decoding.limits.labelsMax)")
    }
    if labels.hasDuplicates { return (.invalidLabels, "a label name stands twice") }
    return nil
  }

  /// Adds a label to those of the next series.
  ///
  /// Says what forbids it.
  mutating func addLabel(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, total: inout Int
  ) -> (RejectionReason, String)? {
    let limits = decoding.limits
    total += name.count + value.count
    if name.isEmpty { return (.invalidLabels, "a label name is empty") }
    if name.count > limits.nameBytesMax {
      return (.labelLimit, "a label name of \(name.count) bytes is longer than \(limits.nameBytesMax)")
    }
    if value.count > limits.valueBytesMax {
      return (.labelLimit, "a label value of \(value.count) bytes is longer than \(limits.valueBytesMax)")
    }
    if total > limits.seriesBytesMax {
      return (.labelLimit, "labels are longer than \(limits.seriesBytesMax) bytes together")
    }
    guard isValidUTF8(name), isValidUTF8(value) else { return (.invalidLabels, "a label is not UTF-8") }
    labels.set(name, value)
    return nil
  }

  mutating func append(metric name: String, _ metadata: MetricMetadata) {
    definitions.append(metric: name, metadata)
    if definitions.byteCountEstimate > Self.cutBytes { cutDefinitions() }
  }

  // MARK: Counting

  mutating func reject(_ reason: RejectionReason, count: Int = 1, _ detail: String) {
    guard count > 0 else { return }
    decoded.rejections.add(reason, count: count, detail: detail)
  }

  /// Counts something left out that is no record of the sender's.
  mutating func warn(_ reason: RejectionReason, _ detail: String) { decoded.rejections.warn(reason, detail: detail) }

  /// Whether the request may hold another sample, histogram, exemplar or row of a series.
  @inline(__always)
  var hasRoom: Bool {
    let rows = cutCounts.rows + max(builder.seriesCount - 1, builder.sampleCount)
    return rows + decoded.histogramCount + decoded.exemplarCount + decoded.deltas.count < decoding.limits.samplesMax
  }

  /// Whether the request and the batch surely have room for so many series more, with a sample each.
  func hasRoom(forSamples count: Int) -> Bool {
    let rows = cutCounts.rows + max(builder.seriesCount, builder.sampleCount) + count
    return rows + decoded.histogramCount + decoded.exemplarCount + decoded.deltas.count < decoding.limits.samplesMax
      && builder.byteCountEstimate + count * SeriesBatchBuilder.rowBytes <= Self.cutBytes
  }

  /// Whether the request may hold another change.
  var hasRoomForChange: Bool { decoded.deltaBytes < decoding.limits.deltaBytesMax }

  // MARK: Cutting

  /// Ends the batch where it nears the largest frame; true where it did, and the current series must be begun again.
  @inline(__always)
  mutating func cutIfLarge() -> Bool {
    guard builder.byteCountEstimate > Self.cutBytes else { return false }
    cutBatch()
    return true
  }

  private mutating func cutBatch() {
    guard builder.seriesCount > 0 else { return }
    let index = UInt64(decoded.batches.count)
    let id = Hash128(high: decoding.batchID.high, low: decoding.batchID.low &+ index)
    let rows = max(builder.seriesCount, builder.sampleCount)
    let points =
      decoded.sampleCount - cutCounts.samples + decoded.histogramCount - cutCounts.histograms
    if let batch = builder.build(tenant: decoding.tenant, batchID: id) {
      decoded.batches.append(batch)
      decoded.batchPointCounts.append(points)
    } else {
      reject(.recordTooLarge, count: points, "samples do not fit into one batch")
      decoded.sampleCount = cutCounts.samples
      decoded.histogramCount = cutCounts.histograms
      decoded.exemplarCount = cutCounts.exemplars
    }
    cutCounts = (
      decoded.sampleCount, decoded.histogramCount, decoded.exemplarCount, cutCounts.rows + rows
    )
  }

  private mutating func cutDefinitions() {
    if let part = definitions.build(tenant: decoding.tenant) { decoded.definitions.append(part) }
  }

  mutating func finish() -> DecodedSeries {
    cutBatch()
    cutDefinitions()
    return decoded
  }
}
