import NIOSSL
import NeedletailEnvironment

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
      throw StartupError("tls-certificate: no certificate can be read from \(certificate): \(reason(certificate))")
    }
    guard !chain.isEmpty else { throw StartupError("tls-certificate: there is no certificate in \(certificate)") }
    let privateKey: NIOSSLPrivateKey
    do {
      privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
    } catch {
      throw StartupError("tls-key: no private key can be read from \(key): \(reason(key))")
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

  /// Why nothing can be read from a file, which the library does not tell: it is not there or not ours to read, or what
  /// is in it is something else.
  private static func reason(_ path: String) -> String {
    do throws(FileError) {
      _ = try PosixFileSystem().readAll(path, maxBytes: 1 << 20)
      return "there is none in PEM form in it"
    } catch {
      return "\(error)"
    }
  }
}
