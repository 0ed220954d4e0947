import NeedletailEnvironment
import Synchronization

/// The records of one append, as they are being logged.
package struct JournalTransaction {
  /// The log generation that the records go to: what is applied now is flushed with it.
  package let generation: UInt64
  var sequence: UInt64
  var bytes: [UInt8]

  /// Logs a record. The bytes are copied. Throws `.recordTooLarge`.
  package mutating func log(_ kind: LogRecordKind, _ payload: UnsafeRawBufferPointer) throws(JournalError) {
    sequence += 1
    bytes.append(contentsOf: payload)
  }
}

/// The heart that all engines of a node share: what is acknowledged went through here.
package final class Journal: Sendable {
  private struct State {
    var generation: UInt64 = 1
    var sequence: UInt64 = 0
    var pending: [UInt8] = []
  }

  private let state = Mutex(State())
  private let participants: [any JournalParticipant]
  private let parts: PartsFolder
  private let catalog: any PartCatalog

  init(participants: [any JournalParticipant], parts: PartsFolder, catalog: any PartCatalog) {
    self.participants = participants
    self.parts = parts
    self.catalog = catalog
  }

  /// Runs `body` under the journal's lock: it logs its records and applies them to its head at one instant. It must
  /// only touch memory. When it throws, nothing is logged, and it must have applied nothing. Await the returned
  /// position with `awaitDurable` before acknowledging. Throws `JournalError`, or what `body` throws.
  package func append<Result: Sendable>(
    _ body: (inout JournalTransaction) throws -> Result
  ) throws -> (result: Result, position: LogPosition) {
    try state.withLock { state in
      var transaction = JournalTransaction(
        generation: state.generation, sequence: state.sequence, bytes: state.pending)
      let result = try body(&transaction)
      state.pending = transaction.bytes
      state.sequence = transaction.sequence
      return (result, LogPosition(rawValue: transaction.sequence))
    }
  }

  /// Suspends until everything up to `position` is durable; throws when it cannot be made durable now.
  package func awaitDurable(_ position: LogPosition) async throws(JournalError) {}

  /// Makes all heads parts: freezes them under the lock, writes them, commits them in one transaction, publishes them,
  /// deletes their log. Blocks for as long as that takes; one flush runs at a time. After an error the frozen heads
  /// are still there and answer queries; the next call begins with them.
  package func flush() throws -> FlushReport { FlushReport() }

  /// Commits what is pending, once, on the calling thread.
  package func commitPending() {}

  /// Commits what is pending and stops. Later appends throw `.closed`.
  package func close() {}
}
