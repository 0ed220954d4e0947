import NeedletailEnvironment
import Testing

@testable import NeedletailBlocks

/// What the tools say of a data folder.
@Suite struct StorageInspectionTests {
  private func withFolder(_ body: (TestFolder) throws -> Void) throws {
    try withScratchFolder { try body(try TestFolder(making: $0 + "/data")) }
  }

  @Test("A survey tells what is in the folder, a verification finds nothing wrong, and neither changes anything")
  func whole() throws {
    try withFolder { folder in
      let survey = try folder.survey()
      #expect(survey.catalogProblem == nil && survey.hasIdentityFile && survey.identity?.slotCount == 1024)
      #expect(survey.parts.map(\.summary.rows) == [3, 2, 3])
      #expect(survey.log.segments.compactMap(\.records).reduce(0, +) == 2)
      let verification = try folder.verify()
      #expect(verification.damages.isEmpty, "\(verification.damages)")
      #expect(verification.parts == 3 && verification.blocks == 3 && verification.records == 2)
      #expect(try folder.numbers() == TestFolder.everything)
    }
  }

  @Test("Every flipped byte of every file of a part is found and named")
  func flippedBytes() throws {
    try withFolder { folder in
      let part = try folder.part(0)
      for name in ["header", "rows", "deletions"] {
        let path = part + "/" + name
        let size = try #require(try TestFolder.files.status(path)).size
        for offset in 0..<size {
          try TestFolder.flip(path, at: offset)
          let damages = try folder.verify().damages
          #expect(damages.contains { path.hasSuffix($0.path) && $0.offset != nil }, "\(name) \(offset): \(damages)")
          try TestFolder.flip(path, at: offset)
        }
      }
      #expect(try folder.verify().damages.isEmpty)
    }
  }

  @Test("A damaged block costs itself alone: the walk goes on with the next whole one")
  func walk() throws {
    try withScratchFolder { folder in
      let path = folder + "/blocks"
      let writer = try BlockWriter(creating: path, on: TestFolder.files)
      var places: [BlockLocation] = []
      // Payloads that imitate blocks are not taken for any.
      let imitation =
        withUnsafeBytes(of: BlockFormat.magic.littleEndian) { Array($0) } + [UInt8](repeating: 0, count: 40)
      for number in 0..<5 {
        places.append(try writer.append(imitation + [UInt8(number)], kind: 1, codec: .raw))
      }
      let checksum = try writer.finish().checksum
      let whole = try BlockScan(path, on: TestFolder.files)
      #expect(whole.blocks == 5 && whole.damages.isEmpty && whole.checksum == checksum)
      let end = places[2].offset + UInt64(places[2].length)
      for offset in places[2].offset..<end {
        try TestFolder.flip(path, at: offset)
        let scan = try BlockScan(path, on: TestFolder.files)
        #expect(scan.blocks == 4 && scan.damages.map(\.offset) == [places[2].offset], "\(offset): \(scan.damages)")
        try TestFolder.flip(path, at: offset)
      }
    }
  }

  @Test("A flipped byte of the log is named with the records that it costs")
  func log() throws {
    try withFolder { folder in
      let name = try #require(try folder.survey().log.segments.last?.segment.fileName)
      try TestFolder.flip(folder.path + "/log/" + name, at: 120)
      let damages = try folder.verify().damages
      #expect(damages.count == 1 && damages[0].path == "log/" + name && damages[0].reason.contains("record"))
    }
  }

  @Test("An identity that was changed in any byte is none")
  func identity() throws {
    let identity = FolderIdentity(id: String(repeating: "0f", count: 16), slotCount: 1024)
    let bytes = identity.encoded()
    #expect(FolderIdentity.decode(bytes) == identity)
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      #expect(FolderIdentity.decode(changed) == nil, "\(index)")
      #expect(FolderIdentity.decode(Array(bytes[..<index])) == nil, "\(index)")
    }
  }
}
