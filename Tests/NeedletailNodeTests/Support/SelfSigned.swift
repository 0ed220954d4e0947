import Foundation
import Testing

/// A certificate of our own for `localhost`, made by OpenSSL.
enum SelfSigned {
  /// The server's settings for a new certificate and key, which lie in the folder under this name.
  static func settings(in folder: TemporaryFolder, name: String = "server") throws -> [String: String] {
    let (certificate, key) = ("\(folder.path)/\(name).pem", "\(folder.path)/\(name).key")
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
      + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return ["tls-certificate": certificate, "tls-key": key]
  }
}
