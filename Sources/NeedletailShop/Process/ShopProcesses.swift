import ServiceLifecycle

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs every part of the shop in a process of its own.
struct ShopProcesses: Service {
  /// Why the shop closed by itself.
  struct ChildEnded: Error, CustomStringConvertible {
    let role: ShopRole
    var description: String { "the shop's \(role.rawValue) process ended; the others were stopped" }
  }

  let options: ShopOptions

  func run() async throws {
    var children: [(role: ShopRole, process: ChildProcess)] = []
    do {
      for role in ShopRole.allCases where role != .all {
        children.append((role, try ChildProcess(arguments: [role.rawValue, "--watch-stdin"] + options.arguments)))
      }
    } catch {
      await stop(children)
      throw error
    }
    let started = children
    let ended = try? await cancelWhenGracefulShutdown { try await Self.firstToEnd(of: started) }
    if let ended { children.remove(at: ended) }
    await stop(children)
    // A signal from a terminal reaches the children too, and they may be gone before their parent hears of it.
    if let ended, !Task.isShuttingDownGracefully { throw ChildEnded(role: started[ended].role) }
  }

  /// The index of the first process that ends by itself.
  private static func firstToEnd(of children: [(role: ShopRole, process: ChildProcess)]) async throws -> Int {
    while true {
      try await Task.sleep(for: .milliseconds(100))
      if let index = children.firstIndex(where: { $0.process.hasEnded() }) { return index }
    }
  }

  /// Sends the customers home, then asks the services to stop and, at last, makes them.
  private func stop(_ children: [(role: ShopRole, process: ChildProcess)]) async {
    // In a task of its own: this one may be cancelled already, and a cancelled sleep does not wait.
    await Task {
      let patience = ContinuousClock.now.advanced(by: .milliseconds(2_500))
      let customers = children.filter { $0.role == .load }
      let left = await Self.stop(customers, until: .now.advanced(by: .milliseconds(700)))
      let stubborn = await Self.stop(children.filter { $0.role != .load } + left, until: patience)
      for child in stubborn { child.process.signal(SIGKILL) }
    }.value
  }

  /// Asks processes to stop.
  ///
  /// - Returns: those that had not stopped in time.
  private static func stop(
    _ children: [(role: ShopRole, process: ChildProcess)], until deadline: ContinuousClock.Instant
  ) async -> [(role: ShopRole, process: ChildProcess)] {
    var left = children
    for child in left { child.process.signal(SIGTERM) }
    while true {
      left.removeAll { $0.process.hasEnded() }
      if left.isEmpty || ContinuousClock.now >= deadline { return left }
      try? await Task.sleep(for: .milliseconds(20))
    }
  }
}
