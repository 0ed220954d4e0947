import AsyncHTTPClient
import NeedletailDashboard

/// Asks a server over HTTP.
///
/// Follows no redirects, and reads at most ``maximumBody`` bytes of an answer.
struct APIClient: Sendable {
  static let maximumBody = 256 << 20

  let server: String
  private let tenant: String?
  private let token: String?
  private let trust: TrustedCertificates?
  private let timeoutNanoseconds: Int64
  /// Parameters of every request.
  private let standing: [(String, String)]
  /// Told how whole each answer of a cluster is.
  var tell: (@Sendable (AnswerCoverage) -> Void)?

  /// One pool for the process, on the shared event loops; it lives as long as the process.
  private static let pool: HTTPClient = {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.timeout.connect = .seconds(5)
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  /// - Parameters:
  ///   - trust: which certificates to trust; nil for those of the system.
  ///   - standing: parameters that every request is sent with.
  init(
    server: ServerURL, tenant: String?, token: String?, trust: TrustedCertificates? = nil, timeoutNanoseconds: Int64,
    standing: [(String, String)] = []
  ) {
    self.server = server.text
    self.tenant = tenant
    self.token = token
    self.trust = trust
    self.timeoutNanoseconds = timeoutNanoseconds
    self.standing = standing
  }

  /// The body of a GET.
  ///
  /// Throws ``APIFailure``.
  func get(_ path: String, _ parameters: [(String, String)] = []) async throws -> [UInt8] {
    try await send(HTTPClientRequest(url: url(path, parameters)), path)
  }

  /// The body of the answer to a POST without a body.
  ///
  /// Throws ``APIFailure``.
  func post(_ path: String, _ parameters: [(String, String)] = []) async throws -> [UInt8] {
    var request = HTTPClientRequest(url: url(path, parameters))
    request.method = .POST
    return try await send(request, path)
  }

  func url(_ path: String, _ parameters: [(String, String)]) -> String {
    let query = (parameters + standing).map { "\(Self.escaped($0.0))=\(Self.escaped($0.1))" }.joined(separator: "&")
    return server + path + (query.isEmpty ? "" : "?" + query)
  }

  private func send(_ question: HTTPClientRequest, _ path: String) async throws -> [UInt8] {
    var request = question
    request.tlsConfiguration = trust?.configuration
    request.headers.add(name: "Accept", value: "application/json")
    request.headers.add(name: "User-Agent", value: "needletail/\(VersionCommand.version)")
    if let tenant { request.headers.add(name: "X-Scope-OrgID", value: tenant) }
    if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
    let status: Int
    let body: [UInt8]
    do {
      let response = try await Self.pool.execute(request, timeout: .nanoseconds(timeoutNanoseconds))
      status = Int(response.status.code)
      if let tell, let header = response.headers.first(name: "Needletail-Coverage"),
        let coverage = AnswerCoverage(header: header)
      {
        tell(coverage)
      }
      body = Array(try await response.body.collect(upTo: Self.maximumBody).readableBytesView)
    } catch let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout {
      throw APIFailure.timedOut(server: server, seconds: Double(timeoutNanoseconds) / 1e9)
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw APIFailure.unreachable(server: server, reason: Self.reason(error))
    }
    guard status == 200 else {
      throw APIFailure.refused(status: status, path: path, message: Self.message(body))
    }
    return body
  }

  /// Percent-encodes all but what RFC 3986 leaves alone everywhere.
  static func escaped(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var out: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        out.append(byte)
      default: out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// What a body says of an error: the `error` or `message` of a JSON object, else its first line.
  static func message(_ body: [UInt8]) -> String {
    if let json = try? JSON(parsing: body), let text = (json["error"] ?? json["message"])?.string { return text }
    let line = String(decoding: body.prefix(4096), as: UTF8.self).split(whereSeparator: \.isNewline).first
    return line.map(String.init) ?? "no reason given"
  }

  /// Whether an error says that the name of a host could not be looked up, which its description alone tells.
  static func isUnknownHost(_ description: String) -> Bool {
    description.contains("SocketAddressError.UnknownHost") || description.contains("SocketAddressError.unknown(")
  }

  private static func reason(_ error: any Error) -> String {
    let text = "\(error)"
    if text.contains("Connection refused") || text.contains("errno: 111") {
      return "connection refused; is `needletail serve` running?"
    }
    if isUnknownHost(text) { return "no host of that name is known" }
    // BoringSSL's own words, which name its source files, tell nobody what to do.
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      return "its certificate is not trusted; --ca-file names a PEM file with the one that vouches for it"
    }
    if text.contains("failedToValidateHostname") { return "its certificate is for another host" }
    if text.contains("WRONG_VERSION_NUMBER") { return "it does not speak TLS; ask http:// instead" }
    if let failure = error as? HTTPClientError {
      if failure == .connectTimeout { return "no connection within 5 s" }
      return failure.shortDescription
    }
    return text
  }
}
