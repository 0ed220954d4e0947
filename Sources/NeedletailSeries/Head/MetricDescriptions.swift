import NeedletailTelemetry

/// Descriptions of metrics within a bound of bytes.
///
/// No sender may make them outgrow memory, or the one block of a part that they all go into.
struct MetricDescriptions: Sendable {
  /// A description, with the log generation in which it was logged.
  struct Entry: Sendable {
    var description: MetricMetadata
    var generation: UInt32
  }

  private(set) var entries: [MetricKey: Entry] = [:]
  /// About what they occupy, in bytes.
  private(set) var byteCount = 0
  let bytesMax: Int

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  subscript(key: MetricKey) -> Entry? { entries[key] }

  /// Whether a description would be kept.
  func hasRoom(for description: MetricMetadata, of key: MetricKey) -> Bool {
    byteCount + change(by: description, of: key) <= bytesMax
  }

  /// Keeps a description in place of the one that was; false, and nothing changed, where there is no room.
  @discardableResult
  mutating func set(_ description: MetricMetadata, of key: MetricKey, generation: UInt32 = 0) -> Bool {
    let change = change(by: description, of: key)
    guard byteCount + change <= bytesMax else { return false }
    byteCount += change
    entries[key] = Entry(description: description, generation: generation)
    return true
  }

  /// Adds those of heads and parts, the heads first and the oldest part last, as far as there is room.
  mutating func add(of heads: [SeriesHead], _ parts: [SeriesPart]) {
    for head in heads {
      for (key, entry) in head.withStorage({ $0.metadata.entries }) where entries[key] == nil {
        set(entry.description, of: key)
      }
    }
    for part in parts.reversed() {
      for (key, description) in part.content.metadata where entries[key] == nil { set(description, of: key) }
    }
  }

  private func change(by description: MetricMetadata, of key: MetricKey) -> Int {
    Self.size(description, of: key) - (entries[key].map { Self.size($0.description, of: key) } ?? 0)
  }

  /// The texts, and about what the table needs for an entry.
  private static func size(_ description: MetricMetadata, of key: MetricKey) -> Int {
    key.name.utf8.count + description.unit.utf8.count + description.help.utf8.count + 128
  }
}
