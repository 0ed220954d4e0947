import NeedletailEnvironment
import NeedletailOTLP
import NeedletailTestSupport
import Testing

@Suite("ProtobufWriter")
struct ProtobufWriterTests {
  private static let varints: [(UInt64, [UInt8])] = [
    (0, [0]), (1, [1]), (127, [0x7f]), (128, [0x80, 1]), (150, [0x96, 1]), (16_383, [0xff, 0x7f]),
    (16_384, [0x80, 0x80, 1]), (.max, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
  ]

  @Test("A varint takes the shortest form", arguments: varints)
  func varint(value: UInt64, bytes: [UInt8]) {
    var writer = ProtobufWriter()
    writer.varint(value)
    #expect(writer.bytes == bytes)
    #expect(ProtobufWriter.varintSize(value) == bytes.count)
  }

  @Test("The size of a varint is right at every power of two")
  func varintSizes() {
    for bit in 0..<64 {
      let power = UInt64(1) << UInt64(bit)
      for value in [power, power - 1, power + 1] {
        var writer = ProtobufWriter()
        writer.varint(value)
        #expect(writer.count == ProtobufWriter.varintSize(value))
      }
    }
  }

  @Test("Each field type has the bytes that the encoding specification gives it")
  func fieldTypes() {
    let cases: [((inout ProtobufWriter) -> Void, [UInt8])] = [
      ({ $0.field(1, varint: 150) }, [0x08, 0x96, 0x01]),
      ({ $0.field(1, int64: -2) }, [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
      ({ $0.field(1, zigzag: -2) }, [0x08, 0x03]),
      ({ $0.field(1, zigzag: .min) }, [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
      ({ $0.field(2, bool: true) }, [0x10, 0x01]),
      ({ $0.field(1, fixed64: 0x0102_0304_0506_0708) }, [0x09, 8, 7, 6, 5, 4, 3, 2, 1]),
      ({ $0.field(4, double: 1) }, [0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
      ({ $0.field(16, fixed32: 0x0102_0304) }, [0x85, 0x01, 4, 3, 2, 1]),
      ({ $0.field(2, string: "testing" as String) }, [0x12, 0x07] + Array("testing".utf8)),
      ({ $0.field(2, string: "testing" as StaticString) }, [0x12, 0x07] + Array("testing".utf8)),
      ({ $0.field(2, bytes: [1, 2]) }, [0x12, 2, 1, 2]),
      ({ $0.field(2, bigEndian: 0x0102_0304_0506_0708) }, [0x12, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
      ({ $0.field(1, bigEndian: 1, 2) }, [0x0a, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]),
      ({ $0.field(6, packedFixed64: [1, 2]) }, [0x32, 16, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
      ({ $0.field(7, packedDouble: [1]) }, [0x3a, 8, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
      ({ $0.field(3) { $0.field(1, varint: 150) } }, [0x1a, 0x03, 0x08, 0x96, 0x01]),
    ]
    for (write, bytes) in cases {
      var writer = ProtobufWriter()
      write(&writer)
      #expect(writer.bytes == bytes)
    }
  }

  @Test(
    "A message of any length gets its length in front", arguments: [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000])
  func messageLengths(length: Int) throws {
    var writer = ProtobufWriter()
    writer.field(1, varint: 7)
    writer.field(2) { writer in
      for _ in 0..<length { writer.raw([UInt8(0x55)]) }
    }
    writer.field(3, varint: 9)
    let tree = try WireTree(writer.bytes)
    #expect(tree[1] == [.varint(7)])
    #expect(tree[2] == [.bytes(Array(repeating: 0x55, count: length))])
    #expect(tree[3] == [.varint(9)])
  }

  @Test("Nested messages of random shape come back as they were written", arguments: UInt64(1)...40)
  func randomTrees(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var writer = ProtobufWriter()
    let expected = writeRandomMessage(&writer, depth: 0, random: &random)
    #expect(try WireTree(writer.bytes).fields.count == expected.count, "seed \(seed)")
    #expect(try matches(WireTree(writer.bytes), expected), "seed \(seed)")
  }

  private enum Node {
    case varint(UInt64)
    case text(String)
    case message([(UInt64, Node)])
  }

  private func writeRandomMessage(
    _ writer: inout ProtobufWriter, depth: Int, random: inout SeededGenerator
  ) -> [(UInt64, Node)] {
    var nodes: [(UInt64, Node)] = []
    for _ in 0..<Int.random(in: 0...5, using: &random) {
      let number = UInt32.random(in: 1...600, using: &random)
      switch Int.random(in: 0...(depth < 5 ? 2 : 1), using: &random) {
      case 0:
        let value = UInt64.random(in: 0...UInt64.max, using: &random) >> UInt64.random(in: 0...63, using: &random)
        writer.field(number, varint: value)
        nodes.append((UInt64(number), .varint(value)))
      case 1:
        let text = String(repeating: "é", count: Int.random(in: 0...90, using: &random))
        writer.field(number, string: text)
        nodes.append((UInt64(number), .text(text)))
      default:
        var children: [(UInt64, Node)] = []
        writer.field(number) { children = writeRandomMessage(&$0, depth: depth + 1, random: &random) }
        nodes.append((UInt64(number), .message(children)))
      }
    }
    return nodes
  }

  private func matches(_ tree: WireTree, _ nodes: [(UInt64, Node)]) throws -> Bool {
    guard tree.fields.count == nodes.count else { return false }
    for (field, node) in zip(tree.fields, nodes) {
      guard field.number == node.0 else { return false }
      switch (field.value, node.1) {
      case (.varint(let read), .varint(let written)): if read != written { return false }
      case (.bytes(let read), .text(let written)): if read != Array(written.utf8) { return false }
      case (.bytes(let read), .message(let children)): if try !matches(WireTree(read), children) { return false }
      default: return false
      }
    }
    return true
  }
}
