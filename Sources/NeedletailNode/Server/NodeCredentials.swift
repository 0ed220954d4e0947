import Logging
import NIOSSL
import NeedletailEnvironment
import NeedletailTelemetry

/// What a node's ports, and its calls to other nodes, speak TLS with: what is in the files that it was started with, now.
///
/// Certificates are renewed every few weeks, by programs that know nothing of this one. Connections that are open keep what
/// they began with.
final class NodeCredentials: Sendable {
  /// All that is made of the files, together, so that no key goes with the certificate of another.
  private struct Material: Sendable {
    var clients: NIOSSLContext
    var peers: NIOSSLContext
    /// Nil where the node calls no others.
    var calls: NIOSSLContext?
    var expiry: Int64?
  }

  private struct State {
    var material: Material
    /// What was in the files of which it was made.
    var content: Hash128
    /// What was in them when nothing could be made of it.
    var refused: Hash128?
  }

  private static let fileBytesMax = 1 << 20

  private let configuration: ServerConfiguration
  private let fileSystem: any FileSystem
  private let state: Lock<State>

  /// Reads what a configuration names; nil where it names no certificate. Blocks.
  ///
  /// Throws `StartupError`, with the setting that is wrong.
  init?(_ configuration: ServerConfiguration, fileSystem: any FileSystem) throws(StartupError) {
    let content = Self.content(configuration, fileSystem)
    guard let material = try Self.material(configuration) else { return nil }
    (self.configuration, self.fileSystem) = (configuration, fileSystem)
    state = Lock(State(material: material, content: content))
  }

  /// For connections of clients.
  var clients: NIOSSLContext { state.withLock { $0.material.clients } }

  /// For connections of other nodes.
  var peers: NIOSSLContext { state.withLock { $0.material.peers } }

  /// For connections to other nodes; nil where there are none.
  var calls: NIOSSLContext? { state.withLock { $0.material.calls } }

  /// When the node's certificate stops being valid, in seconds since 1970.
  var expiry: Int64? { state.withLock { $0.material.expiry } }

  /// Takes what is in the files now, where that is something else than before and can be used; whether it did. Blocks.
  ///
  /// Throws `StartupError`, once for each content, where it cannot be used: what was read before stays.
  func refresh() throws(StartupError) -> Bool {
    let content = Self.content(configuration, fileSystem)
    let isNew = state.withLock { state in
      if content == state.content { state.refused = nil }
      return content != state.content && content != state.refused
    }
    guard isNew else { return false }
    do throws(StartupError) {
      guard let material = try Self.material(configuration) else { return false }
      state.withLock { $0 = State(material: material, content: content) }
      return true
    } catch {
      state.withLock { $0.refused = content }
      throw error
    }
  }

  /// Looks at the files again and again, on an executor, until the task is cancelled.
  func watch(every pause: Duration, on executor: ThreadExecutor, _ logger: Logger) async {
    while (try? await Task.sleep(for: pause)) != nil {
      do {
        guard try await executor.run({ [self] in try refresh() }) else { continue }
        logger.info("the certificate was read anew", metadata: ["expires": "\(expiry ?? 0)"])
      } catch is CancellationError {
        return
      } catch {
        logger.warning(
          "the certificate that is there now cannot be used; connections go on with the one before",
          metadata: ["reason": "\(error)"])
      }
    }
  }

  private static func material(_ configuration: ServerConfiguration) throws(StartupError) -> Material? {
    guard let certificate = try NodeCertificate(configuration) else { return nil }
    return Material(
      clients: try ServerTLS.context(certificate),
      peers: try ServerTLS.peerContext(certificate, authorities: configuration.demandedAuthorities),
      calls: configuration.nodeName == nil
        ? nil : try PeerTLS.context(certificate, authorities: configuration.peerAuthorities),
      expiry: certificate.expiry)
  }

  /// Stands for what is in all of the files, whether they can be read or not.
  private static func content(_ configuration: ServerConfiguration, _ fileSystem: any FileSystem) -> Hash128 {
    var bytes: [UInt8] = []
    for path in [configuration.tlsCertificate, configuration.tlsKey, configuration.peerCA] {
      guard let path, let file = try? fileSystem.readAll(path, maxBytes: fileBytesMax) else {
        bytes.append(0)
        continue
      }
      bytes.append(1)
      bytes += file
    }
    return bytes.withUnsafeBytes { Hash128.of($0) }
  }
}
