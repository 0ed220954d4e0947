import NIOSSL

/// What the ports of a server speak TLS with.
enum ServerTLS {
  /// For clients, who show tokens and no certificates.
  ///
  /// Throws `StartupError`, with the setting that is wrong.
  static func context(_ certificate: NodeCertificate) throws(StartupError) -> NIOSSLContext {
    try context(of: certificate, configuration(certificate))
  }

  /// For other nodes: with authorities, each has to show a certificate that one of them vouches for and that is valid
  /// now.
  ///
  /// Which host it is of is not asked: a node that calls comes from whatever address it has.
  static func peerContext(
    _ certificate: NodeCertificate, authorities: [NIOSSLCertificate]?
  ) throws(StartupError) -> NIOSSLContext {
    var configuration = configuration(certificate)
    if let authorities {
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates(authorities)
    }
    return try context(of: certificate, configuration)
  }

  private static func configuration(_ certificate: NodeCertificate) -> TLSConfiguration {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: certificate.chain.map { .certificate($0) }, privateKey: .privateKey(certificate.key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["h2", "http/1.1"]
    return configuration
  }

  private static func context(
    of certificate: NodeCertificate, _ configuration: TLSConfiguration
  ) throws(StartupError) -> NIOSSLContext {
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw StartupError(
        "tls-key: the key in \(certificate.keyFile) cannot be used with the first certificate in \(certificate.file): "
          + "\(error)")
    }
  }
}
