import Synchronization

/// Work that may not wait for a disk, nor take long, because the thread it is on has others to serve.
///
/// What would have to wait, or has found much to do, asks `current` first and is refused there. Whoever began the run
/// then does all of it over where waiting is fine, and throws away what came of it: a refusal looks like a file that
/// cannot be read, or like a cancellation.
package final class InMemoryRun: Sendable {
  /// The run that the calling code is part of, if any.
  @TaskLocal package static var current: InMemoryRun?

  private let hasRefusedAny = Atomic(false)
  private let workMax: Int
  private let work = Atomic(0)
  private let postponed = Lock<[@Sendable () -> Void]>([])

  /// A run in which nothing was refused yet, and which may look at so many series.
  package init(workMax: Int = .max) { self.workMax = workMax }

  /// Whether something was refused: then what came of the run means nothing.
  package var hasRefused: Bool { hasRefusedAny.load(ordering: .relaxed) }

  /// Notes that something would have had to wait for a disk.
  package func refuse() { hasRefusedAny.store(true, ordering: .relaxed) }

  /// Counts series that are about to be looked at; false, and a refusal, where that would be too many in all.
  package func mayLook(at series: Int) -> Bool {
    let isLittle = work.wrappingAdd(series, ordering: .relaxed).newValue <= workMax
    if !isLittle { refuse() }
    return isLittle
  }

  /// Leaves work that waits for a disk, and that nobody in the run needs done, to whoever began it.
  package func postpone(_ work: @escaping @Sendable () -> Void) { postponed.withLock { $0.append(work) } }

  /// The work that was left since the last call.
  package func takePostponed() -> [@Sendable () -> Void] {
    postponed.withLock { postponed in
      defer { postponed = [] }
      return postponed
    }
  }
}
