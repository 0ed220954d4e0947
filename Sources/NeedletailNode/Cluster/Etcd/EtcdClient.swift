import AsyncHTTPClient
import NIOCore
import NIOSSL
import NeedletailCluster
import NeedletailEnvironment
import NeedletailOTLP

/// Performs requests to etcd over its v3 JSON gateway: one endpoint after the other is tried until one answers.
final class EtcdClient: Sendable {
  private struct State {
    /// The endpoint that answered last.
    var preferred = 0
    /// What etcd gave for the password.
    var token: String?
  }

  /// What came of asking one endpoint.
  private enum Attempt {
    case reply(EtcdReply)
    case silent(String)
  }

  private static let passwordBytesMax = 4096
  /// How long one request takes at the most, over all endpoints, in ms; `EtcdOptions.answerMax` is longer.
  private static let requestMax: Int64 = 12_000
  private static let attemptMax: Int64 = 3_000
  /// gRPC's numbers for what another member of etcd may know better: UNAVAILABLE, DEADLINE_EXCEEDED.
  private static let codesOfOthers: Set<Int64> = [14, 4]
  private static let (codeInvalid, codeNotFound, codeUnauthenticated): (Int64, Int64, Int64) = (3, 5, 16)

  /// One pool for the process, on the shared event loops; it lives as long as the process.
  private static let pool: HTTPClient = {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.timeout.connect = .milliseconds(attemptMax)
    // The time of a request is over when the head is here; what comes behind it may not stall either.
    configuration.timeout.read = .milliseconds(attemptMax)
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.httpVersion = .http1Only
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  private let settings: EtcdSettings
  private let tls: TLSConfiguration?
  private let fileSystem: any FileSystem
  private let executor: ThreadExecutor
  private let state = Lock(State())

  /// Nil where the settings name no etcd.
  ///
  /// Throws `StartupError`, with the setting that is wrong.
  init?(_ settings: EtcdSettings, fileSystem: any FileSystem, executor: ThreadExecutor) throws(StartupError) {
    guard !settings.endpoints.isEmpty else { return nil }
    self.settings = settings
    self.fileSystem = fileSystem
    self.executor = executor
    tls = try Self.tls(settings)
    if let file = settings.passwordFile { _ = try Self.password(file, fileSystem) }
  }

  private static func tls(_ settings: EtcdSettings) throws(StartupError) -> TLSConfiguration? {
    guard settings.endpoints.contains(where: \.isTLS) else { return nil }
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    if let file = settings.authorities {
      configuration.trustRoots = .certificates(try NodeCertificate.certificates(file, of: "etcd-ca"))
    }
    guard let certificate = settings.certificate, let key = settings.key else { return configuration }
    configuration.certificateChain = try NodeCertificate.certificates(certificate, of: "etcd-certificate")
      .map { .certificate($0) }
    do {
      configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
    } catch {
      throw StartupError("etcd-key: no private key can be read from \(key)")
    }
    return configuration
  }

  /// The first line of the file; blocks.
  private static func password(_ file: String, _ fileSystem: any FileSystem) throws(StartupError) -> String {
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try fileSystem.readAll(file, maxBytes: passwordBytesMax)
    } catch {
      throw StartupError("etcd-password-file cannot be read: \(error)")
    }
    let line = bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    guard !line.isEmpty else { throw StartupError("etcd-password-file \(file) has no password in its first line") }
    return String(decoding: line, as: UTF8.self)
  }

  // MARK: Calls

  /// Performs a request; never takes longer than `requestMax`.
  func perform(_ request: EtcdRequest) async -> Result<EtcdAnswer, EtcdFailure> {
    let call = EtcdCall(request, prefix: settings.prefix)
    do throws(EtcdFailure) {
      return .success(try EtcdCall.answer(try await reply(to: call), to: request, prefix: settings.prefix))
    } catch {
      return .failure(error)
    }
  }

  private func reply(to call: EtcdCall) async throws(EtcdFailure) -> EtcdReply {
    let count = settings.endpoints.count
    let timeout = max(500, min(Self.attemptMax, Self.requestMax / Int64(2 * count)))
    let first = state.withLock { $0.preferred }
    var reasons: [String] = []
    for offset in 0..<count {
      let index = (first + offset) % count
      let endpoint = settings.endpoints[index]
      switch try await ask(endpoint, call, timeout) {
      case .reply(let reply):
        state.withLock { $0.preferred = index }
        return reply
      case .silent(let reason): reasons.append("\(endpoint): \(reason)")
      }
    }
    throw .unreachable(reasons.joined(separator: "; "))
  }

  /// Throws where etcd said no.
  private func ask(
    _ endpoint: EtcdSettings.Endpoint, _ call: EtcdCall, _ timeout: Int64
  ) async throws(EtcdFailure) -> Attempt {
    for isLast in [false, true] {
      let token: String?
      switch try await authenticate(endpoint, timeout) {
      case .success(let given): token = given
      case .failure(let reason): return .silent(reason.text)
      }
      switch await post(endpoint, call, token, timeout) {
      case .silent(let reason): return .silent(reason)
      case .reply(let reply):
        guard let message = reply.message else { return .reply(reply) }
        if let code = reply.code, Self.codesOfOthers.contains(code) { return .silent(message) }
        if reply.code == Self.codeNotFound { throw .leaseGone }
        guard Self.isOfToken(reply), settings.user != nil, !isLast else { throw .refused(message) }
        // The token is old, or another etcd's.
        state.withLock { if $0.token == token { $0.token = nil } }
      }
    }
    return .silent("etcd does not take its own token")
  }

  /// Whether another token may do: this one is unknown, or, where tokens are signed, from before users or roles changed.
  private static func isOfToken(_ reply: EtcdReply) -> Bool {
    reply.code == codeUnauthenticated
      || reply.code == codeInvalid && reply.message?.contains("revision of auth store is old") == true
  }

  private struct Reason: Error {
    let text: String
  }

  /// What to show as the user; nil where etcd asks nobody.
  private func authenticate(
    _ endpoint: EtcdSettings.Endpoint, _ timeout: Int64
  ) async throws(EtcdFailure) -> Result<String?, Reason> {
    guard let user = settings.user, let file = settings.passwordFile else { return .success(nil) }
    if let token = state.withLock({ $0.token }) { return .success(token) }
    let password: String
    do {
      // It may have become another since the start.
      password = try await executor.run { [fileSystem] in try Self.password(file, fileSystem) }
    } catch {
      throw .refused("\(error)")
    }
    switch await post(endpoint, EtcdCall(user: user, password: password), nil, timeout) {
    case .silent(let reason): return .failure(Reason(text: reason))
    case .reply(let reply):
      if let code = reply.code, Self.codesOfOthers.contains(code) { return .failure(Reason(text: reply.message ?? "")) }
      guard let token = reply.token else {
        throw .refused(
          "etcd does not let \(user) in (etcd-user, etcd-password-file): \(reply.message ?? "no token came")")
      }
      state.withLock { $0.token = token }
      return .success(token)
    }
  }

  private func post(
    _ endpoint: EtcdSettings.Endpoint, _ call: EtcdCall, _ token: String?, _ timeout: Int64
  ) async -> Attempt {
    var request = HTTPClientRequest(url: "\(endpoint)\(call.path)")
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    if let token { request.headers.add(name: "Authorization", value: token) }
    request.body = .bytes(call.body)
    if endpoint.isTLS { request.tlsConfiguration = tls }
    do {
      let response = try await Self.pool.execute(request, timeout: .milliseconds(timeout))
      let body = Array(try await response.body.collect(upTo: call.answerMax).readableBytesView)
      let isError = response.status.code >= 400
      guard var reply = try? EtcdReply(body) else {
        return .silent(isError ? "it answered \(response.status.code)" : "its answer is none of an etcd's JSON gateway")
      }
      // What stands in between may answer in its place.
      if response.status.code >= 500, reply.code == nil { return .silent("it answered \(response.status.code)") }
      if isError, reply.message == nil { reply.message = "it answered \(response.status.code)" }
      return .reply(reply)
    } catch {
      return .silent(Self.reason(error))
    }
  }

  private static func reason(_ error: any Error) -> String {
    let text = "\(error)"
    if text.contains("Connection refused") || text.contains("errno: 111") { return "connection refused" }
    if text.contains("SocketAddressError.UnknownHost") || text.contains("SocketAddressError.unknown(") {
      return "no host of that name is known"
    }
    if text.contains("CERTIFICATE_VERIFY_FAILED") {
      return "its certificate is not trusted: name the authority that vouches for it in etcd-ca"
    }
    if text.contains("failedToValidateHostname") { return "its certificate is for another host" }
    if text.contains("WRONG_VERSION_NUMBER") { return "it does not speak TLS: write http:// in etcd" }
    if error is NIOTooManyBytesError { return "its answer is longer than any that is expected" }
    guard let failure = error as? HTTPClientError else { return text }
    if failure == .deadlineExceeded || failure == .connectTimeout || failure == .readTimeout {
      return "no answer in time"
    }
    return failure.shortDescription
  }
}

extension EtcdCall {
  /// Asks for a token for a user's password.
  fileprivate init(user: String, password: String) {
    var json = JSONWriter()
    json.object { json in
      json.key("name")
      json.string(user)
      json.key("password")
      json.string(password)
    }
    self.init(path: "/v3/auth/authenticate", body: json.take(), answerMax: 64 << 10)
  }

  private init(path: String, body: [UInt8], answerMax: Int) {
    self.path = path
    self.body = body
    self.answerMax = answerMax
  }
}
