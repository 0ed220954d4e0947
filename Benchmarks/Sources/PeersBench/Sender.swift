import BenchmarkSupport
import Foundation
import Synchronization

/// Sends the bodies of a file to a server over some connections, each from a thread of its own and in order.
final class Sender: Sendable {
  private let bodies: BodyFile
  private let port: Int
  private let path: String
  private let progress = Mutex(Progress())

  /// How far the sending is.
  struct Progress: Sendable {
    /// The indices of the bodies that the server acknowledged.
    var acknowledged: [Int] = []
    var samples = 0
    var retries = 0
    var failure: BenchmarkError?
    var isStopped = false
  }

  init(_ bodies: BodyFile, to server: RunningServer) {
    self.bodies = bodies
    port = server.port
    path = server.contestant.writePath
  }

  /// Sends the bodies of some rounds, and returns when all are acknowledged or the server is gone.
  ///
  /// A series always goes over the same connection, so that its samples stay in order. `onSamples` is called when that many samples are
  /// acknowledged; bodies that are not sent yet then stay behind.
  func send(
    rounds: Range<Int>, connections: Int, stopAt samplesMax: Int = .max,
    whenStopped: @escaping @Sendable () -> Void = {}
  ) -> Progress {
    progress.withLock { $0 = Progress() }
    let perRound = bodies.entries.prefix { $0.round == 0 }.count
    let group = DispatchGroup()
    for connection in 0..<connections {
      group.enter()
      let thread = Thread { [self] in
        defer { group.leave() }
        do throws(BenchmarkError) {
          let channel = try Connection(port: port)
          for index in bodies.entries.indices {
            guard rounds.contains(bodies.entries[index].round), index % perRound % connections == connection else {
              continue
            }
            guard try send(index, channel, samplesMax, whenStopped) else { return }
          }
        } catch {
          progress.withLock { $0.failure = $0.failure ?? error }
        }
      }
      thread.stackSize = 1 << 20
      thread.start()
    }
    group.wait()
    return progress.withLock { $0 }
  }

  /// Sends one body, again where the server is busy; false when there is to be no more.
  private func send(
    _ index: Int, _ channel: Connection, _ samplesMax: Int, _ whenStopped: @Sendable () -> Void
  ) throws(BenchmarkError) -> Bool {
    for _ in 0..<200 {
      let answer = try bodies.withBody(index) { body throws(BenchmarkError) in try channel.post(path, body) }
      if answer.status == 429 || answer.status == 503 {
        progress.withLock { $0.retries += 1 }
        usleep(50_000)
        continue
      }
      guard answer.status / 100 == 2 else {
        throw BenchmarkError("a write was answered with \(answer.status): \(answer.text.prefix(300))")
      }
      let (isLast, isOver) = progress.withLock { progress in
        progress.acknowledged.append(index)
        progress.samples += bodies.entries[index].slots.count
        let isLast = progress.samples >= samplesMax && !progress.isStopped
        if isLast { progress.isStopped = true }
        return (isLast, progress.isStopped)
      }
      if isLast { whenStopped() }
      return !isOver
    }
    throw BenchmarkError("a write was refused 200 times")
  }
}
