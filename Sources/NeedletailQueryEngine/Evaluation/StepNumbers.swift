/// A number at each step: told once where it is the same at all of them, as it is of what hangs on neither data nor time.
enum StepNumbers {
  case same(Double)
  case each([Double])

  /// One for each of `count` steps.
  func spread(over count: Int) -> [Double] {
    switch self {
    case .same(let number): [Double](repeating: number, count: count)
    case .each(let numbers): numbers
    }
  }

  func map(_ body: (Double) -> Double) -> StepNumbers {
    switch self {
    case .same(let number): .same(body(number))
    case .each(let numbers): .each(numbers.map(body))
    }
  }

  /// What comes of these and others, which are of the same steps.
  func combined(with others: StepNumbers, _ body: (Double, Double) -> Double) -> StepNumbers {
    switch (self, others) {
    case (.same(let left), .same(let right)): .same(body(left, right))
    case (.same(let left), .each(let numbers)): .each(numbers.map { body(left, $0) })
    case (.each(let numbers), .same(let right)): .each(numbers.map { body($0, right) })
    case (.each(let numbers), .each(let others)): .each(zip(numbers, others).map { body($0, $1) })
    }
  }
}
