import Foundation
import Synchronization

/// What must not outlive the benchmark: its servers and its folders.
package enum Cleanup {
  private static let processes = Mutex<Set<pid_t>>([])
  private static let folders = Mutex<Set<String>>([])

  package static func add(process: pid_t) { processes.withLock { _ = $0.insert(process) } }
  package static func remove(process: pid_t) { processes.withLock { _ = $0.remove(process) } }
  package static func add(folder: String) { folders.withLock { _ = $0.insert(folder) } }

  /// Kills every server that is left and removes every folder.
  package static func run() {
    processes.withLock { processes in
      for process in processes { kill(process, SIGKILL) }
      processes.removeAll()
    }
    folders.withLock { folders in
      for folder in folders { try? FileManager.default.removeItem(atPath: folder) }
      folders.removeAll()
    }
  }

  package static func remove(folder: String) {
    folders.withLock { _ = $0.remove(folder) }
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// Cleans up and ends the program at SIGINT, SIGTERM and SIGHUP, and when the time is over, for as long as the caller holds what is
  /// returned.
  package static func onSignals(minutesMax: Int) -> [any DispatchSourceProtocol] {
    var sources: [any DispatchSourceProtocol] = []
    signal(SIGPIPE, SIG_IGN)
    let queue = DispatchQueue(label: "cleanup")
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { end("signal \(number)", 128 + number) }
      source.resume()
      sources.append(source)
    }
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .now() + .seconds(minutesMax * 60))
    timer.setEventHandler { end("no end after \(minutesMax) minutes", 1) }
    timer.resume()
    sources.append(timer)
    return sources
  }

  private static func end(_ reason: String, _ status: Int32) {
    run()
    FileHandle.standardError.write(Data("benchmark ended: \(reason)\n".utf8))
    _exit(status)
  }
}
