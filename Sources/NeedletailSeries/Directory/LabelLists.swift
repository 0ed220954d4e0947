/// The tenant and the labels of each series of a directory, as numbers: for a series a byte with their width and count, then
/// the tenant's number and those of its pairs, in canonical order, each in as many bytes as the largest of them needs.
///
/// Pairs that many series have mostly came early and have small numbers. Numbers of one width are found at any place at
/// once, which sorting needs. Only appended to: a copy made under the writer's lock is read without it.
struct LabelLists: Sendable {
  /// A count from this on does not fit into the first byte, which has this then, and follows in four of its own.
  private static let countMax = 63

  private var lists = BytePages()
  private var starts = PagedArray<UInt32>()

  /// For how many series there are labels.
  var count: Int { starts.count }

  var byteCount: Int { lists.byteCount + starts.byteCount }

  /// Whether the labels of a series, of so many bytes in canonical form, surely find room.
  func hasRoom(for canonicalBytes: Int) -> Bool {
    // A pair has two bytes of lengths at least, and a number four at most.
    lists.hasRoom(for: 9 + 2 * canonicalBytes)
  }

  /// Adds the next series.
  mutating func append(tenant: UInt32, _ pairs: [UInt32]) {
    let largest = pairs.reduce(tenant) { max($0, $1) }
    let width = max(1, (39 - largest.leadingZeroBitCount) / 8)
    let count = pairs.count + 1
    let header = count < Self.countMax ? 1 : 5
    let (reference, bytes) = lists.take(header + count * width)
    bytes.storeBytes(of: UInt8(width - 1 | min(count, Self.countMax) << 2), as: UInt8.self)
    if header > 1 { bytes.storeBytes(of: UInt32(truncatingIfNeeded: count), toByteOffset: 1, as: UInt32.self) }
    let list = LabelList(numbers: UnsafeRawPointer(bytes) + header, width: width, count: pairs.count)
    list.store(tenant, at: 0, in: bytes + header)
    for (position, pair) in pairs.enumerated() { list.store(pair, at: position + 1, in: bytes + header) }
    starts.append(reference)
  }

  /// What a series has; good for as long as this value lives.
  @inline(__always) subscript(series: Int) -> LabelList {
    let start = lists.address(starts[series])
    let header = Int(start.load(as: UInt8.self))
    let width = header & 3 + 1
    if header >> 2 < Self.countMax { return LabelList(numbers: start + 1, width: width, count: header >> 2 - 1) }
    let count = Int(start.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
    return LabelList(numbers: start + 5, width: width, count: count - 1)
  }
}

/// The numbers of one series' tenant and pairs, in place.
struct LabelList {
  fileprivate let numbers: UnsafeRawPointer
  /// Of a number, in bytes: 1 to 4.
  fileprivate let width: Int
  /// How many labels there are.
  let count: Int

  /// The number of its tenant.
  @inline(__always) var tenant: Int { number(0) }

  /// The number of the pair at a place below `count`.
  @inline(__always) subscript(position: Int) -> Int { number(position + 1) }

  @inline(__always) private func number(_ index: Int) -> Int {
    let place = numbers + index * width
    // Never a byte more than there is: what lies behind may be being written.
    switch width {
    case 1: return Int(place.load(as: UInt8.self))
    case 2: return Int(place.loadUnaligned(as: UInt16.self))
    case 3: return Int(place.loadUnaligned(as: UInt16.self)) | Int(place.load(fromByteOffset: 2, as: UInt8.self)) << 16
    default: return Int(place.loadUnaligned(as: UInt32.self))
    }
  }

  fileprivate func store(_ number: UInt32, at index: Int, in bytes: UnsafeMutableRawPointer) {
    let place = bytes + index * width
    switch width {
    case 1: place.storeBytes(of: UInt8(truncatingIfNeeded: number), as: UInt8.self)
    case 2: place.storeBytes(of: UInt16(truncatingIfNeeded: number), as: UInt16.self)
    case 3:
      place.storeBytes(of: UInt16(truncatingIfNeeded: number), as: UInt16.self)
      place.storeBytes(of: UInt8(truncatingIfNeeded: number >> 16), toByteOffset: 2, as: UInt8.self)
    default: place.storeBytes(of: number, as: UInt32.self)
    }
  }
}
