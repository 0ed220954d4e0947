import NeedletailCluster
import NeedletailTelemetry

/// What a node holds of its slots, all signals together, as repair compares and moves it.
///
/// The digest of a slot, of a block of windows and of a window is the sum of those of metrics, logs and spans: what
/// settled is compared once and not three times. The buckets of a window stand side by side, 64 of each signal, so that
/// beneath it only the engine that differs is asked. What belongs to no time (`SlotWindow.timeless`) metrics alone have, and it
/// is compared whatever the windows are. All calls but `store` block.
struct RepairContents: Sendable {
  /// How many bytes of rows go into one message, about.
  private static let exportBytesMax = 1 << 20

  /// The engines, in this order: metrics, logs, spans. Those that are missing at the end have nothing.
  let signals: [any SlotContents]

  init(_ signals: [any SlotContents]) { self.signals = signals }

  /// What there is of a slot within some windows.
  func summary(of slot: UInt16, _ windows: ClosedRange<Int64>) throws(SlotContentsError) -> SlotTree {
    var blocks: [Int64: RangeDigest] = [:]
    for signal in signals {
      for (window, digest) in try signal.windowDigests(of: slot, within: windows) {
        blocks[SlotTree.block(of: window), default: RangeDigest()].add(digest)
      }
    }
    if !windows.contains(SlotWindow.timeless) {
      blocks[SlotTree.block(of: SlotWindow.timeless), default: RangeDigest()].add(try timeless(of: slot))
    }
    var tree = SlotTree()
    for (block, digest) in blocks.sorted(by: { $0.key < $1.key }) { tree.add(digest, block: block) }
    return tree
  }

  private func timeless(of slot: UInt16) throws(SlotContentsError) -> RangeDigest {
    guard let metrics = signals.first else { return RangeDigest() }
    let window = SlotWindow.timeless
    return try metrics.windowDigests(of: slot, within: window...window).first?.digest ?? RangeDigest()
  }

  /// The windows of a block within some windows, or the buckets of a window, ascending.
  func children(
    of node: TreeNode, _ slot: UInt16, _ windows: ClosedRange<Int64>
  ) throws(SlotContentsError) -> [RepairMessage.Child] {
    if node.level == 0 {
      return windows.compares(node.index) ? try buckets(of: slot, window: node.index) : []
    }
    var found: [Int64: RangeDigest] = [:]
    let block = SlotTree.windows(ofBlock: node.index)
    if block.contains(SlotWindow.timeless) {
      found[SlotWindow.timeless] = try timeless(of: slot)
    } else if block.overlaps(windows) {
      for signal in signals {
        for (window, digest) in try signal.windowDigests(of: slot, within: block.clamped(to: windows)) {
          found[window, default: RangeDigest()].add(digest)
        }
      }
    }
    return found.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
      .map { RepairMessage.Child(index: $0.key, digest: $0.value) }
  }

  private func buckets(of slot: UInt16, window: Int64) throws(SlotContentsError) -> [RepairMessage.Child] {
    var buckets: [RepairMessage.Child] = []
    let signals = window == SlotWindow.timeless ? signals.prefix(1) : signals[...]
    for (place, signal) in signals.enumerated() {
      for (bucket, digest) in try signal.bucketDigests(of: slot, window: window) {
        let number = Int64(place * MerkleTree.bucketCount) + Int64(bucket)
        buckets.append(RepairMessage.Child(index: number, digest: digest))
      }
    }
    return buckets
  }

  /// The engine of a bucket, and which of its keys are meant; nil where there is none.
  private func place(of bucket: UInt8) -> (signal: any SlotContents, number: UInt8, share: KeyShare)? {
    let bucket = RepairMessage.Bucket(bucket)
    guard bucket.signal < signals.count else { return nil }
    return (signals[bucket.signal], UInt8(bucket.signal), bucket.share)
  }

  /// The keys of a bucket, or of a signal, and what there is of each.
  func listing(
    of slot: UInt16, window: Int64, bucket: UInt8
  ) throws(SlotContentsError) -> [RepairMessage.Series] {
    guard let place = place(of: bucket) else { return [] }
    let listing = try place.signal.listing(of: slot, window: window, in: place.share)
    guard listing.count <= RepairMessage.seriesMax else {
      throw .unavailable("a share of slot \(slot) has \(listing.count) series in one hour, too many to compare")
    }
    return listing.map { RepairMessage.Series(id: $0.key, digest: $0.digest) }
  }

  /// Rows of some keys of a bucket, or of a signal: the number of the signal, then what its engine hands out; and what is left.
  func export(
    of slot: UInt16, window: Int64, bucket: UInt8, _ request: SlotExport.Request
  ) throws(SlotContentsError) -> SlotExport {
    guard let place = place(of: bucket) else { return SlotExport(payload: [], rest: nil) }
    var export = try place.signal.export(of: slot, window: window, request, bytesMax: Self.exportBytesMax)
    guard export.payload.count < RepairMessage.payloadMax else {
      throw .unavailable("a row of slot \(slot) is too large to be sent")
    }
    if let left = export.rest?.keys.count, left > RepairMessage.seriesMax {
      throw .unavailable("a share of slot \(slot) has \(left) series in one hour, too many to ask for at once")
    }
    if !export.payload.isEmpty { export.payload.insert(place.number, at: 0) }
    return export
  }

  /// Adds what `export` of another replica made; returns when it is durable.
  func store(_ payload: [UInt8], of slot: UInt16) async throws(SlotContentsError) {
    guard let number = payload.first else { return }
    guard Int(number) < signals.count else { throw .malformed("rows of a signal that is not known: \(number)") }
    try await signals[Int(number)].store(Array(payload.dropFirst()), of: slot)
  }

  /// Where something stored cannot be read.
  func damages() -> [RepairDamage] {
    signals.enumerated().flatMap { place, signal in
      signal.damagedWindows().map { RepairDamage(signal: place, damage: $0) }
    }
  }

  /// Has parts that cannot be opened count as not there, after it was noted durably what may be lacking; returns the
  /// damages of which that is true.
  func passOver(_ damages: [RepairDamage]) -> [RepairDamage] {
    signals.enumerated().flatMap { place, signal in
      let own = damages.filter { $0.signal == place }.map(\.damage)
      return own.isEmpty ? [] : signal.passOver(own).map { RepairDamage(signal: place, damage: $0) }
    }
  }

  /// Drops the parts that these damages are in, after it was noted durably what may be lacking.
  func leaveOut(_ damages: [RepairDamage]) throws(SlotContentsError) {
    for (place, signal) in signals.enumerated() {
      let own = damages.filter { $0.signal == place }.map(\.damage)
      if !own.isEmpty { try signal.leaveOut(own) }
    }
  }
}

/// A damage, and the place of the engine that it is of among the signals.
struct RepairDamage: Equatable, Sendable {
  var signal: Int
  var damage: SlotDamage
}
