import NeedletailEnvironment
import NeedletailTelemetry

/// The streams that the engine knows, by identity, so that head and parts share one decoded copy of each.
final class StreamTable: Sendable {
  private let entries = Lock<[Hash128: StreamEntry]>([:])

  /// The entry of a stream given in its byte form; decoded on the first sight only.
  func entry(decoding bytes: UnsafeRawBufferPointer, tenant: TenantID) throws(MalformedBytes) -> StreamEntry {
    enter(try find(decoding: bytes, tenant: tenant))
  }

  /// The entry of a stream given in its byte form, without entering one that is new.
  func find(decoding bytes: UnsafeRawBufferPointer, tenant: TenantID) throws(MalformedBytes) -> StreamEntry {
    let identity = EventStream.identity(ofEncoded: bytes, tenant: tenant)
    if let known = entries.withLock({ $0[identity] }) { return known }
    return try StreamEntry(decoding: bytes, tenant: tenant)
  }

  /// Enters a stream; returns the entry that is shared from now on.
  func enter(_ entry: StreamEntry) -> StreamEntry {
    entries.withLock { entries in
      if let known = entries[entry.identity] { return known }
      entries[entry.identity] = entry
      return entry
    }
  }

  /// Forgets all streams but these.
  ///
  /// One that an append is about to use is only decoded again.
  func keep(_ identities: Set<Hash128>) {
    entries.withLock { entries in entries = entries.filter { identities.contains($0.key) } }
  }

  var count: Int { entries.withLock { $0.count } }
}
