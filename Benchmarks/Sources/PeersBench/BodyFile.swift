import BenchmarkSupport
import Foundation

/// The bodies of a load, made ahead and mapped into memory, so that sending them costs next to nothing and every server gets the same.
final class BodyFile: Sendable {
  /// One request: where it lies, and which series of the fleet it has a sample of.
  struct Entry: Sendable {
    var offset: Int
    var length: Int
    var round: Int
    var slots: Range<Int>
  }

  let entries: [Entry]
  let samples: Int
  private let path: String
  // The mapping is read-only, never changes, and ends with this object alone.
  nonisolated(unsafe) private let bytes: UnsafeRawBufferPointer

  /// Writes all rounds of a fleet in requests of `samplesPerRequest` to a file below `root`.
  init(_ fleet: Fleet, samplesPerRequest: Int, root: String) throws {
    var fleet = fleet
    path = root + "/needletail-bench-bodies-\(UUID().uuidString)"
    Cleanup.add(folder: path)
    guard let file = fopen(path, "w+") else { throw BenchmarkError("cannot make \(path)") }
    defer { fclose(file) }
    var entries: [Entry] = []
    var body = RemoteWriteBody()
    var offset = 0
    for round in 0..<fleet.rounds {
      fleet.advance(to: round)
      for first in stride(from: 0, to: fleet.slots, by: samplesPerRequest) {
        let slots = first..<min(first + samplesPerRequest, fleet.slots)
        fleet.append(slots, round: round, to: &body)
        let encoded = try body.finish()
        guard fwrite(encoded, 1, encoded.count, file) == encoded.count else {
          throw BenchmarkError("cannot write \(path)")
        }
        entries.append(Entry(offset: offset, length: encoded.count, round: round, slots: slots))
        offset += encoded.count
      }
    }
    self.entries = entries
    samples = fleet.samples
    fflush(file)
    let mapped = mmap(nil, offset, PROT_READ, MAP_SHARED, fileno(file), 0)
    guard let mapped, mapped != MAP_FAILED else { throw BenchmarkError("cannot map \(path)") }
    bytes = UnsafeRawBufferPointer(start: mapped, count: offset)
  }

  deinit {
    munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    Cleanup.remove(folder: path)
  }

  var byteCount: Int { bytes.count }

  func withBody<Result>(
    _ index: Int, _ use: (UnsafeRawBufferPointer) throws(BenchmarkError) -> Result
  ) throws(BenchmarkError) -> Result {
    let entry = entries[index]
    return try use(UnsafeRawBufferPointer(rebasing: bytes[entry.offset..<entry.offset + entry.length]))
  }
}
