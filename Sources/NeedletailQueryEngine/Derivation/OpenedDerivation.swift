import NeedletailQueryLanguage
import NeedletailTelemetry

/// A derivation whose series were found: each is worked out when it is read, and told as what is smaller.
final class OpenedDerivation: SeriesCursor {
  private let evaluation: Evaluation
  private let opened: OpenedOperand
  private let steps: Steps
  private let tally: SelectionTally
  private let source: (any SeriesCursor)?

  fileprivate init(_ evaluation: Evaluation, _ opened: OpenedOperand, _ steps: Steps) {
    self.evaluation = evaluation
    self.opened = opened
    self.steps = steps
    tally = evaluation.tally(keepsRows: false)
    source = opened.cursor
  }

  var coverage: Coverage { source?.coverage ?? .complete }
  var work: SelectionWork { source?.work ?? SelectionWork() }
  var seriesMax: Int? { source?.seriesMax }

  /// Throws `QueryError` where a limit of the query is met, or what the function is given is refused.
  func next() async throws -> SeriesColumns? {
    switch opened {
    case .instant(let opened): try await evaluation.nextDerived(opened, steps, tally)
    case .range(let opened): try await evaluation.nextDerived(opened, steps)
    }
  }
}

extension QueryEngine {
  /// Begins to read what the source has of the series of a tenant: when this returns, it has been asked for them.
  ///
  /// Each series comes as what the derivation makes of it, or as its samples, whichever is smaller. Throws `QueryError`,
  /// and what the source throws.
  package func open(_ derivation: SeriesDerivation, tenant: TenantID) async throws -> any SeriesCursor {
    let (evaluation, steps) = (evaluation(of: derivation.asked, tenant: tenant), derivation.asked.steps)
    let opened: OpenedOperand
    switch derivation.operand {
    case .instant(let selector):
      opened = .instant(
        try await evaluation.openInstant(
          selector, span: derivation.asked.expression.span, steps, hints: SelectionHints(), yields: .sample))
    case .range(let call, let argument):
      opened = .range(try await evaluation.openRange(call, argument, steps, labels: nil))
    }
    return OpenedDerivation(evaluation, opened, steps)
  }
}

extension OpenedOperand {
  /// What its series come from.
  fileprivate var cursor: (any SeriesCursor)? {
    switch self {
    case .instant(let opened): opened.cursor
    case .range(let opened): opened.reader.cursor
    }
  }
}
