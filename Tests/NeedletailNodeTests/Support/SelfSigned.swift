import NeedletailProcesses
import Testing

/// A certificate of our own for `localhost`, made by OpenSSL.
enum SelfSigned {
  /// The server's settings for a new certificate and key, which lie in the folder under this name.
  static func settings(in folder: TemporaryFolder, name: String = "server") throws -> [String: String] {
    let (certificate, key) = ("\(folder.path)/\(name).pem", "\(folder.path)/\(name).key")
    let made = try RunningProcess.run(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate])
    try #require(made.status == 0, "\(made.output)")
    return ["tls-certificate": certificate, "tls-key": key]
  }
}
