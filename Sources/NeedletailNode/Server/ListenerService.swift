import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A port that listens: what it runs, and how its failure is told.
struct ListenerService: Service {
  let setting: Setting
  let address: ListenAddress
  let listen: @Sendable () async throws -> Void

  func run() async throws {
    do {
      try await listen()
    } catch {
      // Cut off because clients held on to their connections after the server was told to stop: that is no failure.
      if Task.isCancelled { return }
      throw StartupError("\(setting.rawValue) cannot listen on \(address): \(reason(error))")
    }
  }

  private func reason(_ error: any Error) -> String {
    let another = "choose another address with --\(setting.rawValue)"
    switch (error as? IOError)?.errnoCode {
    case EADDRINUSE: return "another process listens there already; stop it or \(another)"
    case EADDRNOTAVAIL: return "this machine does not have that address; \(another)"
    case EACCES: return "this process may not use that port; \(another)"
    default: return "\(error)"
    }
  }
}
