import NeedletailTelemetry

/// How the definitions of a batch's series are had where somebody turns out not to know them.
///
/// They are as large as the request was, and hardly ever wanted; so they are made when they are, from what was received.
package struct Redefinition: Sendable {
  /// Bytes that are held in memory as long as this value is.
  package let byteCount: Int
  private let make: @Sendable () -> [SeriesDefinitions]

  /// `make` may take as long as decoding the request.
  package init(holding byteCount: Int, _ make: @escaping @Sendable () -> [SeriesDefinitions]) {
    self.byteCount = byteCount
    self.make = make
  }

  /// The definitions, of the batch's series and maybe of others.
  package func callAsFunction() -> [SeriesDefinitions] { make() }
}
