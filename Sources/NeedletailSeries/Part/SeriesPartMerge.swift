import NeedletailBlocks
import NeedletailTelemetry

/// The merging of parts of one day into one.
///
/// In memory are one block of each kind and part, what the index of the new part is made from, and the histograms and
/// exemplars of one series.
struct SeriesPartMerge {
  private var inputs: [MergeInput] = []
  private let tenants: [TenantID: Int]
  private let builder: SeriesPartBuilder
  private var join = SampleJoin()
  private var histogramJoin = HistogramJoin()
  private var members: [Int] = []

  /// Writes everything that is in the parts and not deleted, each sample once, as one part; nil where nothing is left, no
  /// description of a metric either.
  ///
  /// Keeps to a pace where one is given. Ends soon when its task is cancelled, and then, as after any error, leaves
  /// nothing behind.
  static func merge(
    _ parts: [SeriesPart], _ deletions: [PartID: PartDeletions], options: SeriesEngineOptions, slots: SlotMap,
    to folder: PartsFolder, pace: PacedWork? = nil
  ) throws(SeriesMaintenanceError) -> PartRecord? {
    var metadata = MetricDescriptions(bytesMax: options.metadataBytesMax)
    metadata.add(of: [], parts.byAge)
    let descriptions = metadata.entries.map { ($0.key, $0.value.description) }.sortedByKey()
    let builder: SeriesPartBuilder
    do throws(BlockError) {
      builder = try SeriesPartBuilder(
        day: parts.first?.record.summary.partition ?? 0,
        level: (parts.map(\.record.summary.level).max() ?? 0) &+ 1, slots: slots, blockBytes: options.blockBytes,
        folder: folder, pace: pace)
    } catch { throw .block(error) }
    do throws(SeriesMaintenanceError) {
      var merge = SeriesPartMerge(parts, builder)
      try merge.run(pace.map { pace in parts.map { $0.paced(by: pace) } } ?? parts, deletions)
      guard !builder.isEmpty || !descriptions.isEmpty else {
        builder.discard()
        return nil
      }
      return try SeriesMaintenanceError.wrapping { () throws(BlockError) in
        try builder.finish(metadata: descriptions)
      }
    } catch {
      builder.discard()
      throw error
    }
  }

  private init(_ parts: [SeriesPart], _ builder: SeriesPartBuilder) {
    let names = Set(parts.flatMap { $0.content.tenants.map(\.tenant) })
    let sorted = names.sorted { $0.description < $1.description }
    tenants = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($0.element, $0.offset) })
    self.builder = builder
  }

  private mutating func run(
    _ parts: [SeriesPart], _ deletions: [PartID: PartDeletions]
  ) throws(SeriesMaintenanceError) {
    for part in parts {
      try SeriesMaintenanceError.wrapping { () throws(SeriesDamage) in
        var input = try MergeInput(part, deletions[part.record.id])
        try input.advance()
        inputs.append(input)
      }
      try builder.digests.add(part)
    }
    var last: (tenant: Int, labels: [UInt8])?
    while let first = try findMembers() {
      if Task.isCancelled { throw .cancelled }
      let key = (tenant: rank(first), labels: try labels(first))
      if let last, !Self.precedes(last, key) {
        throw .damage(inputs[first].part.damage("series are out of order", kind: PartBlockKind.series))
      }
      last = key
      try writeSeries(first, labels: key.labels)
      for member in members {
        do throws(SeriesDamage) { try inputs[member].advance() } catch { throw .damage(error) }
      }
    }
  }

  private static func precedes(
    _ left: (tenant: Int, labels: [UInt8]), _ right: (tenant: Int, labels: [UInt8])
  ) -> Bool {
    if left.tenant != right.tenant { return left.tenant < right.tenant }
    return left.labels.withUnsafeBytes { left in right.labels.withUnsafeBytes { SeriesOrder.precedes(left, $0) } }
  }

  private func rank(_ input: Int) -> Int { tenants[inputs[input].tenantID] ?? 0 }

  private mutating func labels(_ input: Int) throws(SeriesMaintenanceError) -> [UInt8] {
    do throws(SeriesDamage) { return try inputs[input].currentLabels() } catch { throw .damage(error) }
  }

  /// Finds the inputs whose current series is the earliest of all; returns one of them, nil at the end.
  private mutating func findMembers() throws(SeriesMaintenanceError) -> Int? {
    members.removeAll(keepingCapacity: true)
    for index in inputs.indices {
      guard let record = inputs[index].record else { continue }
      guard let first = members.first else {
        members.append(index)
        continue
      }
      if inputs[first].record?.id == record.id, inputs[first].tenantID == inputs[index].tenantID {
        members.append(index)
      } else if Self.precedes((rank(index), try labels(index)), (rank(first), try labels(first))) {
        members.removeAll(keepingCapacity: true)
        members.append(index)
      }
    }
    return members.first
  }

  /// Whether the members have anything of their series that is not deleted.
  private mutating func isAnythingLeft() throws(SeriesMaintenanceError) -> Bool {
    for member in members {
      do throws(SeriesDamage) {
        if try inputs[member].isAnythingLeft() { return true }
      } catch { throw .damage(error) }
    }
    return false
  }

  private mutating func writeSeries(_ first: Int, labels: [UInt8]) throws(SeriesMaintenanceError) {
    guard let id = inputs[first].record?.id else { return }
    let start = members.reduce(Int64(0)) { max($0, inputs[$1].record?.startTimestamp ?? 0) }
    let tenant = inputs[first].tenantID
    // Where nothing is left, what follows only takes it out of the digests.
    if try isAnythingLeft() {
      try SeriesMaintenanceError.wrapping { () throws(BlockError) in
        var problem: BlockError?
        labels.withUnsafeBytes { labels in
          do throws(BlockError) { try builder.begin(id, tenant: tenant, labels: labels, start: start) } catch {
            problem = error
          }
        }
        if let problem { throw problem }
      }
    }
    try join.join(members, of: &inputs, id, to: builder)
    try histogramJoin.join(members, of: &inputs, id, to: builder)
    var exemplars: [StoredExemplar] = []
    try SeriesMaintenanceError.wrapping { () throws(SeriesDamage) in
      for member in members {
        let known = exemplars.count
        try inputs[member].readExemplars(into: &exemplars)
        for one in exemplars[known...] { builder.digests.remove(.exemplar(id, one), of: id, at: one.timestamp) }
        exemplars.remove(inputs[member].deleted, from: known)
      }
    }
    // The number of a series is another one in each part, and must not tell equal exemplars apart.
    for index in exemplars.indices { exemplars[index].series = 0 }
    let distinct = exemplars.sortedSet()
    for one in distinct { builder.digests.add(.exemplar(id, one), of: id, at: one.timestamp) }
    try SeriesMaintenanceError.wrapping { () throws(BlockError) in
      if !distinct.isEmpty { try builder.append(distinct) }
    }
  }
}

extension [SeriesPart] {
  /// Those with the newest samples last; of equals, the one made last.
  ///
  /// Numbers of parts alone do not tell: a merge gives old data a new number.
  var byAge: [SeriesPart] {
    RowSort.order(count) { left, right in
      let (one, other) = (self[left].record, self[right].record)
      return (one.summary.maxTime, one.id) < (other.summary.maxTime, other.id)
    }.map { self[$0] }
  }
}
