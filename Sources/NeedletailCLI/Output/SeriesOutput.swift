import NeedletailDashboard
import NeedletailTerminal

/// Series as a table, a graph or CSV.
struct SeriesOutput {
  let series: [SeriesResult]
  /// Whether the series are those of a range selector, or of a query over a range.
  var isMatrix = false
  let zone: TimeText.Zone

  /// One row a series: its last value, and for a range also least, most, mean and a sparkline of its numbers.
  ///
  /// Where there is no limit of columns, as in a pipe, no name or histogram is cut and no value of an instant rounded.
  func table(isRange: Bool, columns: Int?) -> [StyledText] {
    // Columns of figures that stand beside a range's last value take about this much.
    let room = histogramColumns(columns.map { isRange ? $0 - 48 : $0 })
    let rows = series.enumerated().map { index, result -> [StyledText] in
      let last = result.samples.last?.value ?? .number(.nan)
      guard isRange else { return [name(index, columns), value(last, columns, room)] }
      let values = result.points.map(\.value)
      let finite = values.filter(\.isFinite)
      let mean = finite.isEmpty ? .nan : finite.reduce(0) { $0 + $1 / Double(finite.count) }
      var newest = value(last, columns, room)
      if case .number(let number) = last { newest = StyledText(TerminalText(Quantity.text(number)), .bold) }
      return [
        name(index, columns), newest,
        StyledText(TerminalText(Quantity.text(finite.min() ?? .nan))),
        StyledText(TerminalText(Quantity.text(finite.max() ?? .nan))),
        StyledText(TerminalText(Quantity.text(mean))),
        StyledText(Sparkline(values).text(columns: 20), Style(.ofSeries(index))),
      ]
    }
    var titles: [Table.Column] = [.init("SERIES", flexible: true), .init(isRange ? "LAST" : "VALUE", alignment)]
    if isRange { titles += [.init("MIN", .right), .init("MAX", .right), .init("AVG", .right), .init("TREND")] }
    return Table(columns: titles, rows: rows).lines(within: columns)
  }

  /// One row a sample, for the samples that a range selector finds: the series, the time and the value.
  func samples(columns: Int?) -> [StyledText] {
    let room = histogramColumns(columns.map { $0 - 31 })
    let rows = series.enumerated().flatMap { index, result in
      let name = name(index, columns)
      return result.samples.map { time, value -> [StyledText] in
        let text = TimeText.full(nanoseconds: TimeText.nanoseconds(ofSeconds: time), zone)
        return [name, StyledText(TerminalText(text)), self.value(value, columns, room)]
      }
    }
    let titles: [Table.Column] = [.init("SERIES", flexible: true), .init("TIME"), .init("VALUE", alignment)]
    return Table(columns: titles, rows: rows).lines(within: columns)
  }

  private func name(_ index: Int, _ columns: Int?) -> StyledText {
    StyledText(TerminalText(series[index].name, limit: columns == nil ? .max : 2_000), Style(.ofSeries(index)))
  }

  private func value(_ value: SeriesResult.Value, _ columns: Int?, _ room: Int) -> StyledText {
    func spell(_ number: Double) -> String {
      PrometheusNumber.text(columns == nil ? number : Quantity.rounded(number))
    }
    return switch value {
    case .number(let number): StyledText(TerminalText(spell(number)), .bold)
    case .histogram(let histogram): StyledText(TerminalText(histogram.text(spell), limit: room), .bold)
    }
  }

  /// Numbers stand under each other by their ends; histograms begin with what is alike.
  private var alignment: Table.Column.Alignment { series.allSatisfy(\.histograms.isEmpty) ? .right : .left }

  /// What a histogram may take of a line: what the names leave, at least half of it.
  private func histogramColumns(_ columns: Int?) -> Int {
    guard let columns else { return .max }
    let widest = series.reduce(0) { max($0, TerminalText($1.name, limit: columns > 0 ? columns : 1).width) }
    return max(columns / 2, columns - 2 - widest, 16)
  }

  /// A graph with its legend below; `range` in unix nanoseconds, `step` in nanoseconds.
  func graph(range: (start: Int64, end: Int64), step: Int64, size: Size, depth: ColorDepth) -> String {
    let shown = Array(series.filter { !$0.points.isEmpty }.prefix(12))
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
      let last = shown[index].points.last?.value ?? .nan
      text.append("  " + TerminalText(Quantity.text(last)), .bold)
      buffer.draw(text.abbreviated(to: legend.columns), row: legend.row + index, column: 0, in: legend)
    }
    return TerminalWriter.lines(buffer, depth: depth)
  }

  /// One row a sample: time, labels, value; the columns are all labels that occur. A histogram is a text.
  func csv() -> String {
    var names = Set(series.flatMap { $0.labels.map(\.name) })
    let hasName = names.remove("__name__") != nil
    let ordered = (hasName ? ["__name__"] : []) + names.sorted()
    var out = CSV.line(([("time")] + ordered + ["value"]).map { .text($0) }) + "\n"
    for result in series {
      let labels = ordered.map { CSV.Field.text(result.label($0) ?? "") }
      for (time, value) in result.samples {
        let time = TimeText.full(nanoseconds: TimeText.nanoseconds(ofSeconds: time), .utc)
        let field: CSV.Field =
          switch value {
          case .number(let number): .number(number)
          case .histogram(let histogram): .text(histogram.text(PrometheusNumber.text))
          }
        out += CSV.line([.text(time)] + labels + [field]) + "\n"
      }
    }
    return out
  }
}
