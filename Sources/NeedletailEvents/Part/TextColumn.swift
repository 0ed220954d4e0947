/// The texts of one column of a block, in memory of their own; without rows, every text is empty.
///
/// The memory is allocated once, never moves and is freed with the column, and nothing writes to it after `init`. So a
/// text may be handed out as a plain pointer that is valid for as long as its column lives: forming a row needs no
/// closure around each of its columns. Such closures nest, and the optimiser copies and specialises the whole nest into
/// every caller, where it costs compile time and, per row, a copy of all that the innermost one captures.
struct TextColumn: ~Copyable {
  private let bytes: UnsafeRawBufferPointer
  private let ranges: UnsafeBufferPointer<Range<Int>>

  /// A column that is not there.
  init() {
    bytes = UnsafeRawBufferPointer(start: nil, count: 0)
    ranges = UnsafeBufferPointer(start: nil, count: 0)
  }

  /// Copies `source` and the place of every row's text in it; each must lie within.
  init(copying source: UnsafeRawBufferPointer, _ places: [Range<Int>]) {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 1)
    bytes.copyMemory(from: source)
    self.bytes = UnsafeRawBufferPointer(bytes)
    let ranges = UnsafeMutableBufferPointer<Range<Int>>.allocate(capacity: places.count)
    _ = ranges.initialize(fromContentsOf: places)
    self.ranges = UnsafeBufferPointer(ranges)
  }

  deinit {
    bytes.deallocate()
    ranges.deallocate()
  }

  /// The text of a row, valid for as long as the column is.
  subscript(row: Int) -> UnsafeRawBufferPointer {
    guard row >= 0, row < ranges.count else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(rebasing: bytes[ranges[row]])
  }
}
