/// A selector of events with its pipeline: `logs{level="error"} |= "timeout" [5m]`.
package struct EventSelector: Sendable, Hashable {
  /// Which events.
  package enum Signal: String, Sendable, Hashable, CaseIterable {
    case logs
    case spans
  }

  /// Which events.
  package var signal: Signal
  /// Conditions on the stream's labels.
  package var matchers: [MatcherSyntax]
  /// What is done with the events, in order.
  package var pipeline: [PipelineStage]
  /// The range in milliseconds, nil for a selector of events as such.
  package var range: Int64?
  /// How the range was written where it is more than one number; while it hangs on the query `range` is not it.
  package var rangeSyntax: DurationSyntax?
  /// `offset` and `@`.
  package var shift = TimeShift()
}

/// A stage of a pipeline and its place in the text.
package struct PipelineStage: Sendable, Hashable {
  /// The kinds of stage.
  package enum Node: Sendable, Hashable {
    /// `|= "a" or "b"` and its kin.
    case line(LineOperation, [String])
    /// `| field > 5`.
    case field(FieldCondition)
    /// `| json`, `| logfmt`, with the fields to extract, or none for all.
    case parser(Parser, [Extraction])
    /// `| pattern "..."`, `| regexp "..."`.
    case textParser(TextParser, String)
    /// `| line_format "..."`.
    case lineFormat(String)
    /// `| label_format a=b, c="template"`.
    case labelFormat([Extraction])
    /// `| drop a, b` and `| keep a, b`.
    case select(Selection, [String])
    /// `| decolorize`, `| unpack`.
    case plain(Plain)
    /// `| unwrap field`, perhaps through `duration(...)` or `bytes(...)`.
    case unwrap(field: String, conversion: String?)
  }

  /// The operators of line filters.
  package enum LineOperation: String, Sendable, Hashable {
    case contains = "|="
    case containsNot = "!="
    case matches = "|~"
    case matchesNot = "!~"
  }

  /// The parsers without a pattern.
  package enum Parser: String, Sendable, Hashable { case json, logfmt }
  /// The parsers with a pattern.
  package enum TextParser: String, Sendable, Hashable { case pattern, regexp }
  /// What to do with the named fields.
  package enum Selection: String, Sendable, Hashable { case drop, keep }
  /// Stages of one word.
  package enum Plain: String, Sendable, Hashable { case decolorize, unpack }

  /// A field and where it comes from.
  package struct Extraction: Sendable, Hashable {
    /// The field.
    package var name: String
    /// The path or template, or the field to rename; nil for the field's own name.
    package var source: String?
    /// Whether the source was a string rather than a name.
    package var isText: Bool
  }

  /// What it does.
  package var node: Node
  /// Where it stands.
  package var span: SourceSpan
}

/// A condition on the fields of an event.
package indirect enum FieldCondition: Sendable, Hashable {
  /// As text.
  case matches(MatcherSyntax)
  /// As a number.
  case compares(field: String, BinaryOperator, Quantity)
  case and(FieldCondition, FieldCondition)
  case or(FieldCondition, FieldCondition)

  /// A number with its unit.
  package struct Quantity: Sendable, Hashable {
    /// The value: seconds of durations, bytes of sizes.
    package var value: Double
    /// As it was written.
    package var text: String
  }
}
