import NeedletailTelemetry

// What lets a search for a text pass over a block unread: a Bloom filter over the words of the block's bodies and
// attribute values, and over all runs of three bytes within words. Whole words tell rare identifiers apart; the runs
// answer for a needle that may be the inside of a longer word, which is what a search for a substring asks. It may say
// yes in vain, and never says no wrongly.

/// Whether a byte belongs to a word: letters, digits, underscore, and every byte of a character beyond ASCII.
private func isWordByte(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...0xff:
    true
  default: false
  }
}

/// Calls `body` with every word of `text`.
private func forEachWord(_ text: UnsafeRawBufferPointer, _ body: (Range<Int>) -> Void) {
  var start = 0
  while start < text.count {
    guard isWordByte(text[start]) else {
      start += 1
      continue
    }
    var end = start + 1
    while end < text.count, isWordByte(text[end]) { end += 1 }
    body(start..<end)
    start = end
  }
}

private func hash(ofWord word: UnsafeRawBufferPointer) -> UInt64 { xxHash64(word, seed: 1) }

/// The finisher of splitmix64 over the three bytes and a mark that keeps them apart from words.
private func hash(ofRun run: Int) -> UInt64 {
  var mixed = UInt64(truncatingIfNeeded: run) &+ 0x9E37_79B9_7F4A_7C15
  mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
  mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
  return mixed ^ (mixed >> 31)
}

private func run(_ text: UnsafeRawBufferPointer, at index: Int) -> Int {
  Int(text[index]) | Int(text[index + 1]) << 8 | Int(text[index + 2]) << 16
}

/// Gathers the words and runs of a block's texts.
struct TokenFilterBuilder {
  private var words: Set<UInt64> = []
  private var runs: [UInt64] = []
  /// One bit for each of the 2^24 runs that there may be.
  private var seen = [UInt64](repeating: 0, count: 1 << 18)

  mutating func add(_ text: UnsafeRawBufferPointer) {
    forEachWord(text) { range in
      words.insert(hash(ofWord: UnsafeRawBufferPointer(rebasing: text[range])))
      guard range.count >= 3 else { return }
      for index in range.lowerBound...(range.upperBound - 3) {
        let run = run(text, at: index)
        let bit = UInt64(1) << UInt64(run & 63)
        guard seen[run >> 6] & bit == 0 else { continue }
        seen[run >> 6] |= bit
        runs.append(UInt64(truncatingIfNeeded: run))
      }
    }
  }

  /// The filter's bytes; the builder is empty afterwards.
  mutating func build() -> [UInt8] {
    let count = words.count + runs.count
    var filter = [UInt64](repeating: 0, count: max(1, (count * TokenFilter.bitsPerEntry + 63) / 64))
    for word in words {
      TokenFilter.forEachBit(word, of: filter.count * 64) { filter[$0 >> 6] |= 1 << UInt64($0 & 63) }
    }
    for run in runs {
      let hash = hash(ofRun: Int(run))
      TokenFilter.forEachBit(hash, of: filter.count * 64) { filter[$0 >> 6] |= 1 << UInt64($0 & 63) }
      seen[Int(run >> 6)] = 0
    }
    words.removeAll(keepingCapacity: true)
    runs.removeAll(keepingCapacity: true)
    var writer = ByteWriter(reserving: filter.count * 8)
    for word in filter { writer.append(word) }
    return writer.bytes
  }
}

/// A built filter: a Bloom filter of 10 bits and 6 probes an entry, wrong in about 1 of 100 questions.
struct TokenFilter {
  static let bitsPerEntry = 10
  static let probes: UInt64 = 6
  private let words: [UInt64]

  /// Nil for bytes that are no filter.
  init?(_ bytes: [UInt8]) {
    guard !bytes.isEmpty, bytes.count % 8 == 0 else { return nil }
    words = bytes.withUnsafeBytes { raw in
      (0..<(raw.count / 8)).map { UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)) }
    }
  }

  static func forEachBit(_ hash: UInt64, of bits: Int, _ body: (Int) -> Void) {
    let step = (hash >> 32) | 1
    var mixed = hash
    for _ in 0..<probes {
      mixed = mixed &+ step &* 0x9E37_79B9_7F4A_7C15
      body(Int(mixed.multipliedFullWidth(by: UInt64(bits)).high))
    }
  }

  func mayContain(_ probe: TokenProbe) -> Bool { probe.hashes.allSatisfy(mayContain) }

  private func mayContain(_ hash: UInt64) -> Bool {
    var found = true
    Self.forEachBit(hash, of: words.count * 64) { bit in
      if words[bit >> 6] & (1 << UInt64(bit & 63)) == 0 { found = false }
    }
    return found
  }
}

/// What a text that contains the needle must have in its filter.
struct TokenProbe {
  fileprivate let hashes: [UInt64]

  /// The needle may stand anywhere in the text: of a word at its edge only the inside is known.
  init(substring needle: String) { hashes = Self.hashes(Array(needle.utf8), isWhole: false) }

  /// The needle is the whole text.
  init(whole needle: String) { hashes = Self.hashes(Array(needle.utf8), isWhole: true) }

  private static func hashes(_ needle: [UInt8], isWhole: Bool) -> [UInt64] {
    var hashes: Set<UInt64> = []
    needle.withUnsafeBytes { text in
      forEachWord(text) { range in
        if isWhole || (range.lowerBound > 0 && range.upperBound < text.count) {
          hashes.insert(hash(ofWord: UnsafeRawBufferPointer(rebasing: text[range])))
        }
        guard range.count >= 3 else { return }
        for index in range.lowerBound...(range.upperBound - 3) { hashes.insert(hash(ofRun: run(text, at: index))) }
      }
    }
    return Array(hashes)
  }
}
