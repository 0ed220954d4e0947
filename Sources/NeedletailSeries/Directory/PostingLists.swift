import NeedletailEnvironment

/// An ascending list of numbers: one record for a list of one member, and chained chunks of varint differences for more.
///
/// A list's first chunk has 16 bytes and each next one twice as many, up to 256, so that a million short lists and a few
/// long ones are both small. A chunk is the reference of the next one (4 bytes) and differences, the first of a list
/// against -1; a difference is never 0, so a 0 ends a chunk early.
struct PostingChain: BitwiseCopyable, Sendable {
  fileprivate(set) var count: UInt32 = 0
  /// The last member; the only one where there is one.
  fileprivate(set) var last: UInt32 = 0
  fileprivate var head: UInt32 = 0
  /// The chunk that is written to; it has `room` bytes left.
  fileprivate var tail: UInt32 = 0
  fileprivate var room: UInt16 = 0
  fileprivate var level: UInt8 = 0
}

/// The chunks of many lists.
struct PostingPages: @unchecked Sendable {
  // Read and written under the lock of the directory alone.

  private static let pageLog2 = 16
  /// References count in units of 8 bytes.
  private static let unitLog2 = 3
  private static let levelMax: UInt8 = 4
  private static let pagesMax = 1 << (32 + unitLog2 - pageLog2)

  private var pages: [UnsafeMutableRawPointer] = []
  private let owner = PageOwner()
  private var used = 1 << Self.pageLog2

  var byteCount: Int { max(0, pages.count - 1) << Self.pageLog2 + (pages.isEmpty ? 0 : used) }

  /// Whether `members` more surely find room.
  func hasRoom(for members: Int) -> Bool { pages.count + members >> 7 + 2 <= Self.pagesMax }

  @inline(__always) private static func size(_ level: UInt8) -> Int { 16 << Int(level) }

  @inline(__always) private func address(_ chunk: UInt32) -> UnsafeMutableRawPointer {
    let byte = Int(chunk) << Self.unitLog2
    return pages[byte >> Self.pageLog2] + (byte & ((1 << Self.pageLog2) - 1))
  }

  private mutating func allocate(_ level: UInt8) -> UInt32 {
    let size = Self.size(level)
    if used + size > 1 << Self.pageLog2 {
      pages.append(owner.addPage(byteCount: 1 << Self.pageLog2))
      used = 0
    }
    defer { used += size }
    return UInt32(truncatingIfNeeded: ((pages.count - 1) << Self.pageLog2 | used) >> Self.unitLog2)
  }

  /// Adds a member that is greater than the last; one that is not is passed over.
  @inline(__always) mutating func append(_ member: UInt32, to list: inout PostingChain) {
    if list.count == 0 {
      list.count = 1
      list.last = member
      return
    }
    guard member > list.last else { return }
    if list.count == 1 {
      list.head = allocate(0)
      list.tail = list.head
      list.level = 0
      list.room = UInt16(truncatingIfNeeded: Self.size(0) - 4)
      write(list.last &+ 1, to: &list)
    }
    write(member - list.last, to: &list)
    list.last = member
    list.count += 1
  }

  @inline(__always) private mutating func write(_ difference: UInt32, to list: inout PostingChain) {
    let size = difference < 0x80 ? 1 : (38 - difference.leadingZeroBitCount) / 7
    if size > Int(list.room) { addChunk(to: &list) }
    let chunk = address(list.tail)
    var offset = Self.size(list.level) - Int(list.room)
    var rest = difference
    while rest >= 0x80 {
      chunk.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: offset, as: UInt8.self)
      rest >>= 7
      offset += 1
    }
    chunk.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: offset, as: UInt8.self)
    list.room -= UInt16(truncatingIfNeeded: size)
  }

  @inline(never) private mutating func addChunk(to list: inout PostingChain) {
    let level = min(list.level + 1, Self.levelMax)
    let next = allocate(level)
    // What is left of the old chunk is zeros already: pages are.
    address(list.tail).storeBytes(of: next, as: UInt32.self)
    list.tail = next
    list.level = level
    list.room = UInt16(truncatingIfNeeded: Self.size(level) - 4)
  }

  /// Calls `body` with every member, ascending, until it answers false.
  @inline(__always) func forEach(_ list: PostingChain, while body: (UInt32) -> Bool) {
    guard list.count > 1 else {
      if list.count == 1 { _ = body(list.last) }
      return
    }
    var (chunk, level) = (address(list.head), UInt8(0))
    var (offset, size) = (4, Self.size(0))
    var member = UInt32.max
    for _ in 0..<list.count {
      if offset == size || chunk.load(fromByteOffset: offset, as: UInt8.self) == 0 {
        chunk = address(chunk.load(as: UInt32.self))
        level = min(level + 1, Self.levelMax)
        (offset, size) = (4, Self.size(level))
      }
      var byte = chunk.load(fromByteOffset: offset, as: UInt8.self)
      offset += 1
      var difference = UInt32(byte & 0x7f)
      var shift: UInt32 = 7
      while byte >= 0x80 {
        byte = chunk.load(fromByteOffset: offset, as: UInt8.self)
        offset += 1
        difference |= UInt32(byte & 0x7f) << shift
        shift += 7
      }
      member = member &+ difference
      if !body(member) { return }
    }
  }
}
