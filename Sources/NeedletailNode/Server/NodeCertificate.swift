import NIOSSL
import NeedletailEnvironment

/// The certificate and the key with which a node proves who it is: to its clients, to nodes that call it, and to those
/// that it
/// calls.
struct NodeCertificate: Sendable {
  let file: String
  let keyFile: String
  /// The node's own, then those that vouch for it.
  let chain: [NIOSSLCertificate]
  let key: NIOSSLPrivateKey

  /// Those of a configuration; nil where it names none.
  ///
  /// Throws `StartupError`, with the setting that is wrong.
  init?(_ configuration: ServerConfiguration) throws(StartupError) {
    guard let certificate = configuration.tlsCertificate, let key = configuration.tlsKey else { return nil }
    try self.init(certificate: certificate, key: key)
  }

  /// Reads them from PEM files.
  ///
  /// Throws `StartupError`, with the setting that is wrong.
  init(certificate file: String, key keyFile: String) throws(StartupError) {
    self.file = file
    self.keyFile = keyFile
    chain = try Self.certificates(file, of: "tls-certificate")
    do {
      key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
    } catch {
      throw StartupError("tls-key: no private key can be read from \(keyFile): \(Self.reason(keyFile))")
    }
  }

  /// When the node's own stops being valid, in seconds since 1970.
  var expiry: Int64? { chain.first.map { Int64($0.notValidAfter) } }

  /// The certificates of a PEM file, at least one, which the setting names.
  static func certificates(_ file: String, of setting: String) throws(StartupError) -> [NIOSSLCertificate] {
    let certificates: [NIOSSLCertificate]
    do {
      certificates = try NIOSSLCertificate.fromPEMFile(file)
    } catch {
      throw StartupError("\(setting): no certificate can be read from \(file): \(reason(file))")
    }
    guard !certificates.isEmpty else { throw StartupError("\(setting): there is no certificate in \(file)") }
    return certificates
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
