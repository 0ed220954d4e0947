import NeedletailTestSupport
import Testing

@testable import NeedletailBlocks

/// The deletions that stand beside a part.
@Suite struct PartDeletionsFileTests {
  @Test(
    "Deletions come back from their bytes; of another part, cut or changed in any bit they are none", arguments: 1...20)
  func bytes(seed: Int) {
    var generator = TelemetryGenerator(seed: UInt64(seed))
    var noted = NotedDeletions(flushedThrough: generator.random.next())
    for _ in 0..<generator.int(0...4) {
      noted.contents.insert((0..<generator.int(0...20)).map { _ in UInt8(generator.int(0...255)) })
    }
    let bytes = PartDeletionsFile.encode(noted, of: PartID(5))
    #expect(PartDeletionsFile.decode(bytes, of: PartID(5)) == noted, "seed \(seed)")
    #expect(PartDeletionsFile.decode(bytes, of: PartID(6)) == nil)
    for index in bytes.indices {
      #expect(PartDeletionsFile.decode(Array(bytes[..<index]), of: PartID(5)) == nil, "seed \(seed) \(index)")
      var changed = bytes
      changed[index] ^= UInt8(1 << generator.int(0...7))
      #expect(PartDeletionsFile.decode(changed, of: PartID(5)) == nil, "seed \(seed) \(index)")
    }
    #expect(PartDeletionsFile.decode(bytes + [0], of: PartID(5)) == nil)
  }
}
