import NeedletailTelemetry
import NeedletailTestSupport
import Testing

@Suite("Identities")
struct IdentityTests {
  @Test("trace and span ids come back from their text, in any case and without leading zeros")
  func identifiers() throws {
    var generator = TelemetryGenerator(seed: 1)
    for _ in 0..<200 {
      let trace = TraceID(high: generator.random.next() >> UInt64(generator.int(0...63)), low: generator.random.next())
      #expect(trace.description.count == 32)
      #expect(TraceID(hexadecimal: trace.description) == trace)
      #expect(TraceID(hexadecimal: trace.description.uppercased()) == trace)
      let span = SpanID(generator.random.next() >> UInt64(generator.int(0...63)))
      #expect(span.description.count == 16)
      #expect(SpanID(hexadecimal: span.description) == span)
    }
    #expect(TraceID(hexadecimal: "f") == TraceID(high: 0, low: 15))
    #expect(TraceID(hexadecimal: "10000000000000000") == TraceID(high: 1, low: 0))
    for bad in ["", "g", "+1", "-1", "0x1", " 1", "1_0", String(repeating: "0", count: 33)] {
      #expect(TraceID(hexadecimal: bad) == nil, "\(bad)")
      #expect(SpanID(hexadecimal: bad) == nil, "\(bad)")
    }
    #expect(!TraceID.none.isValid && !SpanID.none.isValid)
  }

  @Test("ids are read from exactly their bytes, most significant first")
  func identifierBytes() {
    let bytes = (0..<17).map { UInt8($0) }
    bytes.withUnsafeBytes { bytes in
      #expect(
        TraceID(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<16]))
          == TraceID(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f))
      #expect(SpanID(bytes: UnsafeRawBufferPointer(rebasing: bytes[1..<9])) == SpanID(0x0102_0304_0506_0708))
      #expect(TraceID(bytes: bytes) == nil)
      #expect(SpanID(bytes: UnsafeRawBufferPointer(rebasing: bytes[..<7])) == nil)
    }
  }

  @Test("slots are below the count, evenly filled, and keep their order when the count doubles")
  func slots() throws {
    #expect(SlotMap(count: 0) == nil)
    #expect(SlotMap(count: 65_537) == nil)
    let largest = try #require(SlotMap(count: 65_536))
    #expect(largest.slot(of: Hash128(high: .max, low: 0)) == 65_535)
    let standard = SlotMap.standard
    let doubled = try #require(SlotMap(count: standard.count * 2))
    var generator = TelemetryGenerator(seed: 2)
    var filled = [Int](repeating: 0, count: standard.count)
    for _ in 0..<102_400 {
      let hash = Hash128(high: generator.random.next(), low: generator.random.next())
      let slot = standard.slot(of: hash)
      filled[Int(slot)] += 1
      #expect(doubled.slot(of: hash) / 2 == slot)
    }
    #expect(filled.allSatisfy { (40...180).contains($0) })
  }

  @Test("tenants are named by their grammar and nothing else")
  func tenantGrammar() {
    for good in ["a", "A-9_z", String(repeating: "x", count: 64)] { #expect(TenantID(good)?.description == good) }
    for bad in ["", "a/b", "..", "é", "a b", String(repeating: "x", count: 65)] { #expect(TenantID(bad) == nil) }
  }

  @Test("hashes are those of XXH3, which formats on disk rely on")
  func hash() {
    let bytes = Array("abc".utf8)
    #expect(bytes.withUnsafeBytes { xxHash64($0) } == 0x78af_5f94_892f_3950)
    #expect(bytes.withUnsafeBytes { Hash128.of($0) }.description == "06b05ab6733a618578af5f94892f3950")
  }

  @Test("a number beats a stale marker, then the greater bits win, whatever the order")
  func conflicts() {
    var generator = TelemetryGenerator(seed: 3)
    for _ in 0..<500 {
      let (one, two, three) = (generator.valueBits(), generator.valueBits(), generator.valueBits())
      #expect(SampleConflict.winner(one, two) == SampleConflict.winner(two, one))
      #expect(
        SampleConflict.winner(SampleConflict.winner(one, two), three)
          == SampleConflict.winner(one, SampleConflict.winner(two, three)))
      #expect(SampleConflict.winner(one, one) == one)
      if one != StaleMarker.bitPattern { #expect(SampleConflict.winner(one, StaleMarker.bitPattern) == one) }
    }
  }

  @Test("ranges of time hold both of their ends")
  func ranges() throws {
    let range = try #require(TimeRange(startMilliseconds: -1, endMilliseconds: 1))
    #expect(range.contains(-1) && range.contains(1) && !range.contains(2))
    #expect(TimeRange(startMilliseconds: 1, endMilliseconds: 0) == nil)
    #expect(range.overlaps(.all))
    #expect(try !range.overlaps(#require(TimeRange(startMilliseconds: 2, endMilliseconds: 3))))
  }
}
