import NeedletailEnvironment
import Testing

@Suite("Memory")
struct MemoryTests {
  @Test(
    "pages are zeros, keep what is written to them, and huge ones begin where huge pages may",
    arguments: [16, 4_096, 65_535, 65_536, 147_456, PageOwner.hugeBytes, 2 * PageOwner.hugeBytes])
  func pages(byteCount: Int) {
    let owner = PageOwner()
    let pages = (0..<3).map { _ in owner.addPage(byteCount: byteCount) }
    for (index, page) in pages.enumerated() {
      #expect(Int(bitPattern: page) % (byteCount % PageOwner.hugeBytes == 0 ? PageOwner.hugeBytes : 16) == 0)
      let bytes = UnsafeMutableRawBufferPointer(start: page, count: byteCount)
      #expect(bytes.allSatisfy { $0 == 0 })
      bytes.initializeMemory(as: UInt8.self, repeating: UInt8(index + 1))
    }
    FreeMemory.giveBack()
    for (index, page) in pages.enumerated() {
      #expect(UnsafeRawBufferPointer(start: page, count: byteCount).allSatisfy { $0 == UInt8(index + 1) })
    }
    withExtendedLifetime(owner) {}
  }
}
