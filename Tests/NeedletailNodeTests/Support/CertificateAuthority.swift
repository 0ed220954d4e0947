import Foundation
import NIOSSL
import NeedletailProcesses
import Testing

@testable import NeedletailNode

/// An authority of a test's own, made by OpenSSL, and the certificates that it vouches for.
struct CertificateAuthority {
  /// PEM file with its certificate.
  let file: String
  private let key: String
  private let folder: TemporaryFolder

  /// Makes one, whose files have this name in the folder.
  init(in folder: TemporaryFolder, name: String = "authority") throws {
    self.folder = folder
    (file, key) = ("\(folder.path)/\(name).pem", "\(folder.path)/\(name).key")
    try Self.openssl(
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-keyout", key]
        + ["-out", file])
  }

  var certificates: [NIOSSLCertificate] { get throws { try NIOSSLCertificate.fromPEMFile(file) } }

  /// Makes a certificate for a node of this machine, and its key; below zero days it has expired.
  func issue(
    _ name: String, days: Int = 2, uses: String = "serverAuth,clientAuth",
    hosts: String = "DNS:localhost,IP:127.0.0.1"
  ) throws -> NodeCertificate {
    let settings = try settings(name, days: days, uses: uses, hosts: hosts)
    return try NodeCertificate(
      certificate: try #require(settings["tls-certificate"]), key: try #require(settings["tls-key"]))
  }

  /// The same as settings of a server, with this authority for other nodes' certificates.
  func settings(
    _ name: String, days: Int = 2, uses: String = "serverAuth,clientAuth",
    hosts: String = "DNS:localhost,IP:127.0.0.1"
  ) throws -> [String: String] {
    let path = "\(folder.path)/\(name)"
    try "subjectAltName=\(hosts)\nextendedKeyUsage=\(uses)\n"
      .write(toFile: path + ".extensions", atomically: true, encoding: .utf8)
    try Self.openssl(
      ["req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=\(name)", "-keyout", path + ".key", "-out", path + ".csr"])
    try Self.openssl(
      ["x509", "-req", "-in", path + ".csr", "-CA", file, "-CAkey", key, "-CAcreateserial", "-days", "\(days)"]
        + ["-extfile", path + ".extensions", "-out", path + ".pem"])
    return ["tls-certificate": path + ".pem", "tls-key": path + ".key", "peer-ca": file]
  }

  private static func openssl(_ arguments: [String]) throws {
    let made = try RunningProcess.run("openssl", arguments)
    try #require(made.status == 0, "\(made.output)")
  }
}
