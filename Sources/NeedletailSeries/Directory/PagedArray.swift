import NeedletailEnvironment

/// Flat records in pages: growing adds a page and copies nothing that is there.
///
/// A copy of the value is a view: it shares the pages and keeps its own count.
///
/// Sound across threads under two rules that the owners of these tables keep. A table that is only appended to may be
/// copied under its lock and read without it: the writer touches nothing below the copy's count again. A table whose
/// records change is read under its lock, or when nobody changes it any more.
struct PagedArray<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  private static var pageBytes: Int { 64 << 10 }

  private var pages: [UnsafeMutablePointer<Element>] = []
  private let owner = PageOwner()
  private let log2: Int
  private let mask: Int
  private(set) var count = 0

  init() {
    var log2 = 0
    while MemoryLayout<Element>.stride << (log2 + 1) <= Self.pageBytes { log2 += 1 }
    self.log2 = log2
    mask = 1 << log2 - 1
  }

  /// The bytes of what was appended.
  var byteCount: Int { count * MemoryLayout<Element>.stride }

  /// The address of a record; it is good for as long as the table lives.
  @inline(__always) func address(_ index: Int) -> UnsafeMutablePointer<Element> {
    pages[index &>> log2] + (index & mask)
  }

  @inline(__always) subscript(index: Int) -> Element {
    get { address(index).pointee }
    nonmutating set { address(index).pointee = newValue }
  }

  @inline(__always) mutating func append(_ element: Element) {
    if count &>> log2 == pages.count { addPage() }
    address(count).initialize(to: element)
    count += 1
  }

  @inline(never) private mutating func addPage() {
    let page = owner.addPage(byteCount: MemoryLayout<Element>.stride * (mask + 1))
    pages.append(page.bindMemory(to: Element.self, capacity: mask + 1))
  }
}
