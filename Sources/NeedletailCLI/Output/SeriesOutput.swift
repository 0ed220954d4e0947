import NeedletailDashboard
import NeedletailTerminal

/// Series as a table, a graph or CSV.
struct SeriesOutput {
  let series: [SeriesResult]
  let zone: TimeText.Zone

  /// One row a series: its last value, and for a range also least, most, mean and a sparkline.
  ///
  /// Where there is no limit of columns, as in a pipe, no name is cut and no value of an instant rounded.
  func table(isRange: Bool, columns: Int?) -> [StyledText] {
    let rows = series.enumerated().map { index, result -> [StyledText] in
      let name = StyledText(
        TerminalText(result.name, limit: columns == nil ? .max : 2_000), Style(.ofSeries(index)))
      let values = result.points.map(\.value)
      let newest = values.last ?? .nan
      let last = StyledText(
        TerminalText(PrometheusNumber.text(columns == nil ? newest : Quantity.rounded(newest))), .bold)
      guard isRange else { return [name, last] }
      let finite = values.filter(\.isFinite)
      let mean = finite.isEmpty ? .nan : finite.reduce(0) { $0 + $1 / Double(finite.count) }
      return [
        name, StyledText(TerminalText(Quantity.text(newest)), .bold),
        StyledText(TerminalText(Quantity.text(finite.min() ?? .nan))),
        StyledText(TerminalText(Quantity.text(finite.max() ?? .nan))),
        StyledText(TerminalText(Quantity.text(mean))),
        StyledText(Sparkline(values).text(columns: 20), Style(.ofSeries(index))),
      ]
    }
    var titles: [Table.Column] = [.init("SERIES", flexible: true), .init(isRange ? "LAST" : "VALUE", .right)]
    if isRange { titles += [.init("MIN", .right), .init("MAX", .right), .init("AVG", .right), .init("TREND")] }
    return Table(columns: titles, rows: rows).lines(within: columns)
  }

  /// A graph with its legend below; `range` in unix nanoseconds, `step` in nanoseconds.
  func graph(range: (start: Int64, end: Int64), step: Int64, size: Size, depth: ColorDepth) -> String {
    let shown = series.prefix(12)
    var buffer = CellBuffer(Size(columns: size.columns, rows: size.rows + shown.count))
    let (plot, legend) = buffer.bounds.splitTop(size.rows)
    let zone = zone
    // Without colours lines are told apart by their marks; one alone needs none, and dots are finer.
    let isMarked = (depth == .plain || depth == .monochrome) && shown.count > 1
    let lines = shown.enumerated().map { index, result in
      LineGraph.Line(
        name: TerminalText(result.name, limit: 500), color: .ofSeries(index),
        mark: isMarked ? LineGraph.marks[index % LineGraph.marks.count] : nil,
        points: result.points.map { LineGraph.Point($0.time, $0.value) })
    }
    let (start, end) = (Double(range.start) / 1e9, Double(range.end) / 1e9)
    let isLong = end - start >= 86_400
    LineGraph(
      lines: lines, range: start...max(start, end), gap: Double(step) / 1e9 * 2.5,
      label: { seconds in
        let full = TimeText.full(nanoseconds: TimeText.nanoseconds(ofSeconds: seconds), zone)
        return TerminalText(isLong ? String(full.prefix(16)) : TimeText.clock(seconds: seconds, zone))
      }
    ).draw(into: &buffer, in: plot)
    for (index, line) in lines.enumerated() {
      var text = StyledText((line.mark ?? "■") + " ", Style(line.color))
      text.append(line.name)
      let last = shown[shown.startIndex + index].points.last?.value ?? .nan
      text.append("  " + TerminalText(Quantity.text(last)), .bold)
      buffer.draw(text.abbreviated(to: legend.columns), row: legend.row + index, column: 0, in: legend)
    }
    return TerminalWriter.lines(buffer, depth: depth)
  }

  /// One row a point: time, labels, value; the columns are all labels that occur.
  func csv() -> String {
    var names = Set(series.flatMap { $0.labels.map(\.name) })
    let hasName = names.remove("__name__") != nil
    let ordered = (hasName ? ["__name__"] : []) + names.sorted()
    var out = CSV.line(([("time")] + ordered + ["value"]).map { .text($0) }) + "\n"
    for result in series {
      let labels = ordered.map { CSV.Field.text(result.label($0) ?? "") }
      for point in result.points {
        let time = TimeText.full(nanoseconds: TimeText.nanoseconds(ofSeconds: point.time), .utc)
        out += CSV.line([.text(time)] + labels + [.number(point.value)]) + "\n"
      }
    }
    return out
  }
}
