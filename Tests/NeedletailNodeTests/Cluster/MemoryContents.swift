import NeedletailCluster
import NeedletailEnvironment
import NeedletailTelemetry

/// Rows of slots in memory, as an engine hands them out: what tests of repair compare without an engine.
final class MemoryContents: SlotContents {
  struct Row: Hashable, Comparable {
    var slot: UInt16
    var key: Hash128
    var window: Int64
    var value: UInt64

    var digest: RangeDigest {
      var writer = ByteWriter()
      writer.append(key)
      writer.append(window)
      writer.append(value)
      return RangeDigest(of: writer.bytes.withUnsafeBytes { Hash128.of($0) })
    }

    static func < (left: Row, right: Row) -> Bool {
      (left.window, left.key, left.value) < (right.window, right.key, right.value)
    }
  }

  private struct State {
    var rows: Set<Row> = []
    var damages: [SlotDamage] = []
    var isFull = false
    /// Reads of rows so far.
    var walks = 0
  }

  static let slots = 16

  private let state = Lock(State())
  var slotCount: Int { Self.slots }

  init(_ rows: some Sequence<Row> = []) { state.withLock { $0.rows = Set(rows) } }

  var rows: Set<Row> { state.withLock { $0.rows } }
  var walks: Int { state.withLock { $0.walks } }

  func add(_ rows: some Sequence<Row>) { state.withLock { $0.rows.formUnion(rows) } }

  /// All of a window is gone, and the node knows it.
  func damage(_ window: Int64) {
    state.withLock { state in
      state.rows = state.rows.filter { $0.window != window }
      state.damages.append(SlotDamage(slots: nil, windows: window...window, part: 1, reason: "the disk is bad"))
    }
  }

  func setFull(_ isFull: Bool) { state.withLock { $0.isFull = isFull } }

  private func digests<Group: Hashable & Comparable>(
    _ isWanted: (Row) -> Bool, by group: (Row) -> Group
  ) -> [(Group, RangeDigest)] {
    var sums: [Group: RangeDigest] = [:]
    for row in rows where isWanted(row) { sums[group(row), default: RangeDigest()].add(row.digest) }
    return sums.sorted { $0.key < $1.key }
  }

  func digests(of windows: ClosedRange<Int64>) throws(SlotContentsError) -> [SlotWindow] {
    let numbers = Set(rows.map(\.window)).filter { windows.contains($0) }.sorted()
    return numbers.map { window in
      let sums = (0..<slotCount).map { slot in
        digests({ $0.window == window && Int($0.slot) == slot }, by: { _ in 0 }).first?.1 ?? RangeDigest()
      }
      return SlotWindow(window: window, digests: sums)
    }
  }

  func windowDigests(of slot: UInt16) throws(SlotContentsError) -> [(window: Int64, digest: RangeDigest)] {
    digests({ $0.slot == slot }, by: \.window).map { ($0.0, $0.1) }
  }

  private func walk() { state.withLock { $0.walks += 1 } }

  func bucketDigests(
    of slot: UInt16, window: Int64
  ) throws(SlotContentsError) -> [(bucket: UInt8, digest: RangeDigest)] {
    walk()
    return digests({ $0.slot == slot && $0.window == window }, by: { MerkleTree.bucket(of: $0.key) })
      .map { ($0.0, $0.1) }
  }

  func listing(
    of slot: UInt16, window: Int64, in share: KeyShare
  ) throws(SlotContentsError) -> [(key: Hash128, digest: RangeDigest)] {
    walk()
    return digests(
      { $0.slot == slot && $0.window == window && share.contains($0.key) }, by: \.key
    ).map { ($0.0, $0.1) }
  }

  func export(
    of slot: UInt16, window: Int64, _ request: SlotExport.Request, bytesMax: Int
  ) throws(SlotContentsError) -> SlotExport {
    walk()
    let found = rows.filter { $0.slot == slot && $0.window == window && request.isAskedFor($0.key) }.sorted()
    let first = Int(request.position?.time ?? 0)
    var writer = ByteWriter()
    // Few at a time, so that most exchanges need several messages.
    for row in found.dropFirst(first).prefix(3) {
      writer.append(row.key)
      writer.append(row.window)
      writer.append(row.value)
    }
    let isAll = first + 3 >= found.count
    let position = SlotExport.Position(section: 0, time: Int64(first + 3))
    return SlotExport(
      payload: writer.bytes,
      rest: isAll ? nil : SlotExport.Request(keys: Set(found.map(\.key)).sorted(), position: position))
  }

  func store(_ payload: [UInt8], of slot: UInt16) async throws(SlotContentsError) {
    if state.withLock({ $0.isFull }) { throw .unavailable("the disk is full") }
    var added: [Row] = []
    let result: Result<Void, MalformedBytes> = payload.withUnsafeBytes { raw in
      var reader = ByteReader(raw)
      do throws(MalformedBytes) {
        while !reader.isAtEnd {
          let (key, window) = (try reader.readHash(), try reader.read(Int64.self))
          added.append(Row(slot: slot, key: key, window: window, value: try reader.read()))
        }
        return .success(())
      } catch { return .failure(error) }
    }
    if case .failure(let error) = result { throw .malformed("\(error)") }
    add(added)
  }

  func damagedWindows() -> [SlotDamage] { state.withLock { $0.damages } }

  func passOver(_ damages: [SlotDamage]) -> [SlotDamage] { [] }

  func leaveOut(_ damages: [SlotDamage]) throws(SlotContentsError) {
    state.withLock { $0.damages.removeAll { damages.contains($0) } }
  }
}
