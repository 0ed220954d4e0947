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
    guard Self.isAddressInUse(error) else { return "\(error)" }
    return "another process listens there already; stop it or choose another address with --\(setting.rawValue)"
  }

  private static func isAddressInUse(_ error: any Error) -> Bool {
    (error as? IOError)?.errnoCode == EADDRINUSE
  }
}
