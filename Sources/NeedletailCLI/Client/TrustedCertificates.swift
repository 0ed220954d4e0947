import NIOSSL

/// The certificates of a PEM file, which are trusted instead of those of the system.
struct TrustedCertificates: Sendable {
  private let certificates: [NIOSSLCertificate]

  /// Reads the file.
  ///
  /// Throws `CommandFailure` where it cannot be read or holds no certificate.
  init(file path: String) throws {
    do {
      certificates = try NIOSSLCertificate.fromPEMFile(path)
    } catch {
      throw Self.failure(path)
    }
    // A file without any would trust nobody, and every server would be blamed for it.
    if certificates.isEmpty { throw Self.failure(path) }
  }

  private static func failure(_ path: String) -> CommandFailure {
    CommandFailure(
      message: "cannot read a certificate from \(path): --ca-file and NEEDLETAIL_CA_FILE name a PEM file "
        + "with at least one")
  }

  /// What a client that trusts these alone is configured with.
  var configuration: TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .certificates(certificates)
    configuration.minimumTLSVersion = .tlsv12
    return configuration
  }
}
