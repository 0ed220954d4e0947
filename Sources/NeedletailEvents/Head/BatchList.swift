/// The batches of a head, in chunks: a copy is one reference, and the first append after it copies one chunk and the
/// list of chunks instead of all batches.
///
/// Queries take a copy under the engine's lock while appends go on.
struct BatchList: Sendable {
  private static let chunkCount = 256

  private var chunks: [[HeadBatch]] = []
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  subscript(index: Int) -> HeadBatch { chunks[index / Self.chunkCount][index % Self.chunkCount] }

  mutating func append(_ batch: HeadBatch) {
    if count % Self.chunkCount == 0 { chunks.append([]) }
    chunks[chunks.count - 1].append(batch)
    count += 1
  }

  /// All of them in one array.
  var all: [HeadBatch] { Array(chunks.joined()) }
}
