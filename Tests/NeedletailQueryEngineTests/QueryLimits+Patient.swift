import NeedletailQueryEngine

extension QueryLimits {
  /// The usual limits, without one of time: a busy machine must not decide a test.
  static let patient = QueryLimits(timeout: .seconds(86_400))
}
