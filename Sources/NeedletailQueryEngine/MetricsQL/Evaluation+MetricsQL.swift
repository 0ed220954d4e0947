import NeedletailQueryLanguage
import NeedletailTelemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// MetricsQL's functions over instant vectors.

extension Evaluation {
  func metricsQLCall(_ call: Call, span: SourceSpan, _ steps: Steps) async throws -> VectorGrid {
    let arguments = call.arguments
    switch call.function {
    case .union: return try await union(arguments, steps)
    case .ru: return try await vector(.utilization(free: arguments[0], of: arguments[1]), steps)
    case .ttf: return try await timeToFull(call, steps)
    case .limitOffset: return try await limited(arguments, steps)
    case .sortByLabelNumeric, .sortByLabelNumericDesc:
      warnOfSorting(span)
      let names = try arguments.dropFirst().map { try string($0) }
      let ascends = call.function == .sortByLabelNumeric
      return sorted(try await vector(arguments[0], steps), by: names, ascending: ascends)
    case .bitmapAnd, .bitmapOr, .bitmapXor: return try await bits(call, steps)
    case .labelGraphiteGroup:
      var groups: [Int] = []
      for argument in arguments.dropFirst() {
        groups.append(Int(exactly: try await scalar(argument, steps).first ?? -1) ?? -1)
      }
      var grid = try await vector(arguments[0], steps)
      try relabel(&grid) { Self.graphiteGroups(groups, of: $0) }
      return grid
    default:
      if let grid = try await labelCall(call, steps) { return grid }
      return try await stepCall(call, steps)
    }
  }

  /// All series of several expressions; where two have the same labels, the value of the first that has one.
  private func union(_ arguments: [Expression], _ steps: Steps) async throws -> VectorGrid {
    var result = VectorGrid(width: steps.count)
    var known: [LabelSet: Int] = [:]
    for argument in arguments {
      let grid = try await vector(argument, steps)
      for row in 0..<grid.count {
        // As they will be at the end of the query.
        let key = grid.losesName[row] ? grid.labels[row].withoutName : grid.labels[row]
        let target = known[key] ?? result.addRow(grid.labels[row], losesName: grid.losesName[row])
        known[key] = target
        try reserve(rows: result.count, steps)
        for step in 0..<steps.count where grid.isPresent(row, step) && !result.isPresent(target, step) {
          result.set(target, step, grid.cell(row, step))
        }
      }
      try spend(0)
    }
    return result
  }

  private func limited(_ arguments: [Expression], _ steps: Steps) async throws -> VectorGrid {
    let limit = Self.count(try await scalar(arguments[0], steps).first)
    let offset = Self.count(try await scalar(arguments[1], steps).first)
    let grid = try await vector(arguments[2], steps)
    let order = grid.isOrdered ? Array(0..<grid.count) : RowOrder.labels(grid.labels).sorted(Array(0..<grid.count))
    return grid.selecting(Array(order.dropFirst(offset).prefix(limit)))
  }

  /// A number of things; none where it is no such number.
  static func count(_ value: Double?) -> Int {
    guard let value, value >= 1 else { return 0 }
    return Int(min(value, 1e9))
  }

  private func bits(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    var grid = try await vector(call.arguments[0], steps)
    let masks = try await scalar(call.arguments[1], steps)
    for row in 0..<grid.count {
      for step in 0..<steps.count {
        // Only whole numbers that 64 bits hold have bits.
        guard let value = grid.number(row, step).flatMap({ UInt64(exactly: $0.rounded(.towardZero)) }),
          let mask = UInt64(exactly: masks[step].rounded(.towardZero))
        else {
          grid.clear(row, step)
          continue
        }
        switch call.function {
        case .bitmapAnd: grid.set(row, step, Double(value & mask))
        case .bitmapOr: grid.set(row, step, Double(value | mask))
        default: grid.set(row, step, Double(value ^ mask))
        }
      }
    }
    try dropNames(of: &grid, call)
    return grid
  }

  // MARK: Time

  /// In how many seconds what is free comes to nothing, if it goes on as it did since the step before.
  private func timeToFull(_ call: Call, _ steps: Steps) async throws -> VectorGrid {
    let year = 365.0 * 86_400
    let interval = steps.count > 1 ? steps.interval : options.lookback
    let earlier = Steps(start: steps.start - interval, end: steps.end, interval: interval)
    try spend(earlier.count)
    let grid = try await vector(call.arguments[0], earlier)
    var result = VectorGrid(width: steps.count)
    let seconds = Double(interval) / 1000
    let smoothing = min(1, seconds / 300)
    for row in 0..<grid.count {
      let target = result.addRow(grid.labels[row], losesName: grid.losesName[row])
      var mean: Double?
      for step in 0..<steps.count {
        guard let before = grid.number(row, step), let now = grid.number(row, step + 1), now.isFinite, before.isFinite
        else { continue }
        let slope = (now - before) / seconds
        let left = slope < 0 ? min(max(now, 0) / -slope, year) : year
        mean = mean.map { $0 * (1 - smoothing) + left * smoothing } ?? left
        result.set(target, step, mean ?? left)
      }
      result.dropLastRowIfEmpty()
    }
    try dropNames(of: &result, call)
    return result
  }

  /// `rand(seed)` and its kin: a number that hangs on the seed and the time alone.
  func chances(_ call: Call, _ steps: Steps) async throws -> [Double] {
    let seeds = try await scalar(call.arguments[0], steps)
    return seeds.indices.map { step in
      var state = seeds[step].bitPattern ^ Self.mixed(UInt64(bitPattern: steps.time(step)))
      func next() -> Double {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Double(Self.mixed(state) >> 11) * 0x1p-53
      }
      switch call.function {
      case .rand: return next()
      case .randExponential: return -log(1 - next())
      default: return (-2 * log(1 - next())).squareRoot() * cos(2 * .pi * next())
      }
    }
  }

  /// Spreads the bits of a number over all of it (SplitMix64's finish).
  private static func mixed(_ value: UInt64) -> UInt64 {
    var value = value
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}
