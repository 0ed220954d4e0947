import Foundation
import NeedletailEnvironment
import Testing

@testable import NeedletailNode

@Suite("JSON")
struct JSONWriterTests {
  @Test(
    "numbers are written as Prometheus writes them",
    arguments: [
      (0.0, "0"), (-0.0, "-0"), (1, "1"), (-12.5, "-12.5"), (0.1, "0.1"), (1e20, "100000000000000000000"),
      (1e21, "1e+21"),
      (1.5e-7, "1.5e-07"), (0.000001, "0.000001"), (123_456_789.125, "123456789.125"), (.nan, "NaN"),
      (.infinity, "+Inf"), (-.infinity, "-Inf"), (.leastNonzeroMagnitude, "5e-324"),
      (1.7976931348623157e308, "1.7976931348623157e+308"),
      (9_007_199_254_740_992, "9007199254740992"), (0.00012, "0.00012"), (1e15, "1000000000000000"),
    ])
  func numbers(value: Double, text: String) {
    #expect(NumberText.text(value) == text)
  }

  @Test("every number is read back as the same bits")
  func numbersRoundTrip() {
    let seed = UInt64.random(in: 0 ... .max)
    var state = seed
    for _ in 0..<20_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let value = Double(bitPattern: state ^ (state >> 29))
      guard value.isFinite else { continue }
      #expect(Double(NumberText.text(value))?.bitPattern == value.bitPattern, "seed \(seed): \(value)")
      let isPlain = value == 0 || (value.magnitude >= 1e-6 && value.magnitude < 1e21) || !value.isFinite
      #expect(NumberText.text(value).contains("e") == !isPlain, "seed \(seed): \(value)")
    }
  }

  @Test("numbers with few decimals are written as the standard library writes them, and so are their neighbours")
  func decimals() {
    let seed = UInt64.random(in: 0 ... .max)
    var state = seed
    for _ in 0..<40_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let scale = [1.0, 10, 100, 1_000, 10_000][Int(state >> 20) % 5]
      let size = [1_000.0, 1e6, 1e9, 1e12, 1e15, 9e15][Int(state >> 30) % 6]
      let number = (Double(state >> 11) / 9_007_199_254_740_992 * size).rounded() / scale
      for value in [number, -number, number.nextUp, number.nextDown, number * 1.0000001] {
        guard value.magnitude >= 1e-4, value.magnitude < 1e15 else { continue }
        var text = value.description
        if text.hasSuffix(".0") { text.removeLast(2) }
        #expect(NumberText.text(value) == text, "seed \(seed)")
      }
    }
  }

  @Test("many samples at once are written as one after the other")
  func manyPoints() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    for count in [0, 1, 2, 127, 128, 129, 1_000] {
      var times: [Int64] = []
      var time = Int64(bitPattern: random.next() >> UInt64.random(in: 0..<40, using: &random))
      if Bool.random(using: &random) { time = 1_795_780_801_000 }
      for _ in 0..<count {
        times.append(time)
        time &+= [1_000, 15_000, 1, 999_500, -3_600_000, 123_456_789_000].randomElement(using: &random) ?? 1
      }
      let values = times.map { _ in Double(bitPattern: random.next()) }
      var (one, many) = (JSONWriter(), JSONWriter())
      one.array { one in for (time, value) in zip(times, values) { one.point(time, value) } }
      many.array { many in
        times.withUnsafeBufferPointer { times in values.withUnsafeBufferPointer { many.points(times, $0) } }
      }
      #expect(one.bytes == many.bytes, "seed \(seed)")
      let plain = times.indices.map { index in
        var seconds = JSONWriter()
        seconds.seconds(fromMilliseconds: times[index])
        return "[\(String(decoding: seconds.bytes, as: UTF8.self)),\"\(NumberText.text(values[index]))\"]"
      }
      #expect(String(decoding: one.bytes, as: UTF8.self) == "[" + plain.joined(separator: ",") + "]", "seed \(seed)")
    }
  }

  @Test("a sample is an array of its time and its value in quotes")
  func points() {
    var json = JSONWriter()
    json.array { json in
      json.point(0, 1)
      json.point(1_435_781_430_781, -0.25)
      json.point(-1_500, .nan)
      json.point(.max, .greatestFiniteMagnitude)
      json.point(.min, -.infinity)
    }
    #expect(
      String(decoding: json.bytes, as: UTF8.self)
        == #"[[0,"1"],[1435781430.781,"-0.25"],[-1.500,"NaN"],[9223372036854775.807,"1.7976931348623157e+308"],"#
        + #"[-9223372036854775.808,"-Inf"]]"#)
  }

  @Test("strings keep every scalar and escape what JSON, a terminal or a log could stumble over")
  func strings() throws {
    let text = "a\"b\\c\n\r\t\u{0}\u{1b}[2J\u{7f} é 漢 🐦"
    var json = JSONWriter()
    json.array { $0.string(text) }
    let decoded = try JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String]
    #expect(decoded == [text])
    #expect(!json.bytes.contains { $0 < 32 || $0 == 127 })
  }

  @Test("members from bytes are written as their keys and values are, wherever a character to be escaped stands")
  func members() {
    let seed = UInt64.random(in: 0 ... .max)
    var state = seed
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
    var fast = JSONWriter()
    var slow = JSONWriter()
    for _ in 0..<20_000 {
      let texts = (0..<2).map { _ in
        // Mostly plain, with bytes of every kind between: 0x1f to 0x22, 0x5b to 0x5d, 0x7e to 0x80 among them.
        (0..<random(40)).map { _ in UInt8(random(12) == 0 ? random(256) : 0x61 + random(26)) }
      }
      texts[0].withUnsafeBytes { name in
        texts[1].withUnsafeBytes { value in
          fast.member(bytes: name, value)
          slow.key(bytes: name)
          slow.string(bytes: value)
        }
      }
    }
    #expect(fast.bytes == slow.bytes, "seed \(seed)")
    for byte in 0...UInt8.max {
      for length in [1, 7, 8, 9, 17] {
        for place in 0..<length {
          var text = [UInt8](repeating: 0x61, count: length)
          text[place] = byte
          let wanted = byte >= 32 && byte < 0x7f && byte != 0x22 && byte != 0x5c
          #expect(text.withUnsafeBytes { JSONWriter.isPlain($0) } == wanted, "\(byte) at \(place) of \(length)")
        }
      }
    }
  }

  @Test("commas stand between members and elements only")
  func structure() {
    var json = JSONWriter()
    json.object { json in
      json.key("a")
      json.array { json in
        json.integer(1)
        json.array { _ in }
        json.object { _ in }
        json.null()
      }
      json.key("b")
      json.bool(true)
    }
    #expect(String(decoding: json.bytes, as: UTF8.self) == #"{"a":[1,[],{},null],"b":true}"#)
  }

  @Test("taking what was written does not lose the place")
  func taking() {
    var json = JSONWriter()
    json.beginArray()
    json.integer(1)
    let first = json.take()
    json.integer(2)
    json.endArray()
    #expect(String(decoding: first + json.take(), as: UTF8.self) == "[1,2]")
  }

  @Test(
    "times are seconds with as many decimals as they need",
    arguments: [
      (1_435_781_430_781, "1435781430.781"), (1_000, "1"), (1_010, "1.010"), (-1_500, "-1.500"), (7, "0.007"), (0, "0"),
    ] as [(Int64, String)])
  func times(milliseconds: Int64, text: String) {
    var json = JSONWriter()
    json.seconds(fromMilliseconds: milliseconds)
    #expect(String(decoding: json.bytes, as: UTF8.self) == text)
  }
}
