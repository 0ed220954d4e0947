import NeedletailEnvironment
import NeedletailTelemetry
import Testing

@testable import NeedletailCluster

@Suite("Sets of slots")
struct SlotSetTests {
  @Test("A run is all of its slots, and comes back from bytes", arguments: 0..<40 as Range<UInt64>)
  func runs(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    var (set, expected) = (SlotSet(), Set<UInt16>())
    for _ in 0..<Int.random(in: 1...5, using: &generator) {
      let first = UInt16.random(in: 0...(seed % 3 == 0 ? .max : 300), using: &generator)
      let last = UInt16(clamping: Int(first) + Int.random(in: 0...200, using: &generator))
      set.insert(first...last)
      expected.formUnion(first...last)
    }
    #expect(Array(set) == expected.sorted() && set == SlotSet(expected))
    var writer = ByteWriter()
    set.write(to: &writer)
    let read = try writer.bytes.withUnsafeBytes { bytes in
      var reader = ByteReader(bytes)
      return try SlotSet(from: &reader)
    }
    #expect(read == set)
  }
}
