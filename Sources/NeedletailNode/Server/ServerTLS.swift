import NIOSSL

/// The certificate and key with which a server proves who it is.
enum ServerTLS {
  /// What the server's ports speak TLS with.
  ///
  /// Throws `StartupError`, with the setting that is wrong.
  static func context(certificate: String, key: String) throws(StartupError) -> NIOSSLContext {
    let chain: [NIOSSLCertificate]
    do {
      chain = try NIOSSLCertificate.fromPEMFile(certificate)
    } catch {
      throw StartupError("tls-certificate: no certificate can be read from \(certificate): \(error)")
    }
    guard !chain.isEmpty else { throw StartupError("tls-certificate: there is no certificate in \(certificate)") }
    let privateKey: NIOSSLPrivateKey
    do {
      privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
    } catch {
      throw StartupError("tls-key: no private key can be read from \(key): \(error)")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["h2", "http/1.1"]
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw StartupError(
        "tls-key: the key in \(key) cannot be used with the first certificate in \(certificate): \(error)")
    }
  }
}
