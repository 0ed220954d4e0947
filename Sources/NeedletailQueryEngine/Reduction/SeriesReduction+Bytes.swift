import NeedletailTelemetry

// The byte form of a reduction, as one node asks another one for it: docs/formats/read-message.md.

extension SeriesReduction {
  private static let version: UInt8 = 1

  /// All of it.
  package func encode(to writer: inout ByteWriter) {
    writer.append(Self.version)
    writer.appendPrefixed(text)
    writer.appendPrefixed(place)
    writer.append(steps.start)
    writer.append(steps.end)
    writer.append(steps.interval)
    writer.append(lookback)
    writer.append(usesStarts ? UInt8(1) : 0)
    writer.append(rule == .both ? UInt8(1) : 0)
  }

  /// Parses the text, and refuses what is no reduction.
  package init(decoding reader: inout ByteReader) throws(MalformedBytes) {
    guard try reader.read(UInt8.self) == Self.version else { throw .invalid("a reduction of an unknown version") }
    let text = try Self.text(&reader, max: Self.textMax)
    let place = try Self.text(&reader, max: Self.placeMax)
    let (start, end) = (try reader.read(Int64.self), try reader.read(Int64.self))
    let interval = try reader.read(Int64.self)
    guard QueryEngine.areSteps(from: start, to: end, step: interval) else { throw .invalid("no steps of a query") }
    let lookback = try reader.read(Int64.self)
    let usesStarts = try reader.read(UInt8.self) != 0
    let rule: ResetHintRule = try reader.read(UInt8.self) != 0 ? .both : .notReset
    let reduction = SeriesReduction(
      text, place: place, steps: Steps(start: start, end: end, interval: interval), lookback: lookback,
      usesStarts: usesStarts, rule: rule)
    guard let reduction else { throw .invalid("an aggregation that is not made of parts") }
    self = reduction
  }

  private static func text(_ reader: inout ByteReader, max: Int) throws(MalformedBytes) -> String {
    let bytes = try reader.readPrefixed()
    guard bytes.count <= max else { throw .invalid("a text is too long") }
    return String(decoding: bytes, as: UTF8.self)
  }
}
