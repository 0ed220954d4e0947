import NeedletailTelemetry

/// The layouts of a column's histograms, each once, and which histogram has which.
struct HistogramLayouts {
  /// Neighbours of one layout.
  struct Stretch: Equatable {
    var layout: Int
    var count: Int
  }

  private(set) var all: [HistogramLayout] = []
  /// How many histograms have each.
  private(set) var uses: [Int] = []
  /// In order.
  private(set) var stretches: [Stretch] = []
  /// Bytes of all histograms together in the byte form.
  private(set) var byteCount = 0

  /// Of no histogram.
  init() {}

  /// Those of the histograms of `rows`; nil where one is not in the byte form that `NativeHistogram` writes.
  ///
  /// Comparing bytes with those of the histogram before is all that is done where the layout stays.
  init?(of rows: HistogramRows) {
    var templates: [[UInt8]] = []
    for index in 0..<rows.count {
      let bytes = rows[index]
      func has(_ layout: Int) -> Bool {
        templates[layout].withUnsafeBytes { all[layout].isLayout(of: bytes, template: $0) }
      }
      if let last = stretches.last, has(last.layout) {
        stretches[stretches.count - 1].count += 1
        uses[last.layout] += 1
        byteCount += bytes.count
        continue
      }
      // The newest first: what changes mostly changes back.
      var found = all.indices.last(where: has)
      if found == nil, let layout = HistogramLayout(of: bytes) {
        all.append(layout)
        templates.append(layout.template())
        uses.append(0)
        found = has(all.count - 1) ? all.count - 1 : nil
      }
      guard let found else { return nil }
      uses[found] += 1
      stretches.append(Stretch(layout: found, count: 1))
      byteCount += bytes.count
    }
  }

  /// Appends the layouts, then the stretches.
  func encode(to bytes: inout [UInt8]) {
    bytes.appendVarint(UInt64(all.count))
    for layout in all { layout.encode(to: &bytes) }
    for stretch in stretches {
      bytes.appendVarint(UInt64(stretch.layout))
      bytes.appendVarint(UInt64(stretch.count))
    }
  }

  /// Reads what `encode` wrote of `count` histograms, which take at most `bytesMax` together.
  ///
  /// Every layout is some histogram's, so that the same bounds what the layouts take.
  init(decoding reader: inout ByteReader, count: Int, bytesMax: Int) throws(MalformedBytes) {
    guard let layoutCount = Int(exactly: try reader.readVarint()), layoutCount <= count else {
      throw .invalid("more layouts than histograms")
    }
    var known = 0
    for _ in 0..<layoutCount {
      let layout = try HistogramLayout(decoding: &reader)
      known += layout.byteCount
      guard known <= bytesMax else { throw .invalid("histograms are too large") }
      all.append(layout)
    }
    uses = [Int](repeating: 0, count: layoutCount)
    var left = count
    while left > 0 {
      guard let layout = Int(exactly: try reader.readVarint()), layout < layoutCount else {
        throw .invalid("a histogram's layout is not there")
      }
      guard let length = Int(exactly: try reader.readVarint()), length > 0, length <= left else {
        throw .invalid("more histograms with layouts than there are")
      }
      byteCount += length * all[layout].byteCount
      guard byteCount <= bytesMax else { throw .invalid("histograms are too large") }
      uses[layout] += length
      left -= length
      stretches.append(Stretch(layout: layout, count: length))
    }
    guard !uses.contains(0) else { throw .invalid("a layout that no histogram has") }
  }
}
