import NeedletailTelemetry
import NeedletailWire

/// What a receiver needs of a request, whatever carried it.
package struct ReceiveRequest: Sendable {
  package var tenant: TenantID
  package var contentType: String?
  package var contentEncoding: String?
  package var body: [UInt8]

  package init(tenant: TenantID, contentType: String? = nil, contentEncoding: String? = nil, body: [UInt8]) {
    self.tenant = tenant
    self.contentType = contentType
    self.contentEncoding = contentEncoding
    self.body = body
  }
}

/// What became of a request.
package struct ReceiveOutcome: Sendable {
  /// Why a request was not taken as a whole.
  package enum Failure: Equatable, Sendable {
    /// The bytes are not what they should be: never to be sent again as they are.
    case invalid(String)
    case tooLarge(String)
    case unsupportedMediaType(String)
    /// To be sent again after that many seconds.
    case overloaded(retryAfterSeconds: Int)
    /// The tenant sends more than it may; to be sent again after that many seconds.
    case rateLimited(String, retryAfterSeconds: Int)
    /// The receiver is overloaded and lets go of what is least important; to be sent again after that many seconds.
    case shed(String, retryAfterSeconds: Int)
    /// The same, for another reason than that there is too much.
    case unavailable(String, retryAfterSeconds: Int = 1)

    /// The label on the counters.
    package var name: String {
      switch self {
      case .invalid: "invalid"
      case .tooLarge: "too_large"
      case .unsupportedMediaType: "unsupported_media_type"
      case .overloaded: "overloaded"
      case .rateLimited: "rate_limited"
      case .shed: "shed"
      case .unavailable: "unavailable"
      }
    }

    /// Whether the request is not to be sent again as it is.
    package var isFinal: Bool {
      switch self {
      case .invalid, .tooLarge, .unsupportedMediaType: true
      case .overloaded, .rateLimited, .shed, .unavailable: false
      }
    }

    /// What is wrong, for the sender to read.
    package var explanation: String {
      switch self {
      case .invalid(let text), .tooLarge(let text), .unsupportedMediaType(let text), .unavailable(let text, _): text
      case .rateLimited(let text, _), .shed(let text, _): text
      case .overloaded: "the receiver is overloaded"
      }
    }
  }

  /// Samples (histograms included), spans or log records that were read in the request.
  package internal(set) var received = 0
  /// Those that the sink took.
  package internal(set) var accepted = 0
  /// Of these, for the headers of remote write.
  package internal(set) var samples = 0
  package internal(set) var histograms = 0
  package internal(set) var exemplars = 0
  /// Read, and neither accepted nor rejected one by one: they share the fate of the request.
  package internal(set) var dropped = 0
  package internal(set) var rejections = Rejections()
  package internal(set) var failure: Failure?

  init(failure: Failure? = nil) { self.failure = failure }

  /// The HTTP status for a sender of OTLP: rejected records are a partial success.
  package var otlpStatus: Int {
    switch failure {
    case nil: 200
    case .invalid: 400
    case .tooLarge: 413
    case .unsupportedMediaType: 415
    case .rateLimited: 429
    case .overloaded, .shed, .unavailable: 503
    }
  }

  /// The HTTP status for a sender of remote write.
  ///
  /// What must never come again is 400, as some agents retry all others for ever; overload is 503, and so is a rate
  /// that
  /// is used up, as Prometheus drops what is answered 429.
  package var remoteWriteStatus: Int {
    switch failure {
    case nil: rejections.isEmpty ? 204 : 400
    case .invalid, .tooLarge: 400
    case .unsupportedMediaType: 415
    case .overloaded, .rateLimited, .shed, .unavailable: 503
    }
  }

  /// Seconds for a `Retry-After` header.
  package var retryAfterSeconds: Int? {
    switch failure {
    case .overloaded(let seconds), .rateLimited(_, let seconds), .shed(_, let seconds), .unavailable(_, let seconds):
      seconds
    default: nil
    }
  }

  /// What went wrong, in one sentence; empty where nothing did.
  package var message: String { failure?.explanation ?? rejections.message }
}
