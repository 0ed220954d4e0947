import NeedletailTelemetry

/// Descriptions of metrics within a bound of bytes.
///
/// Of several of one metric that stays which `MetricMetadata.winner` says, whatever order they came in. No sender may make them outgrow memory, or the one block of a part that they all go into.
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
  /// Another one after each change.
  private(set) var version: UInt64 = 0

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  subscript(key: MetricKey) -> Entry? { entries[key] }

  /// Whether a description would be kept.
  func hasRoom(for description: MetricMetadata, of key: MetricKey) -> Bool {
    byteCount + change(by: description, of: key) <= bytesMax
  }

  /// Keeps a description unless the one that is there wins; false, and nothing changed, where there is no room.
  @discardableResult
  mutating func take(_ description: MetricMetadata, of key: MetricKey, generation: UInt32 = 0) -> Bool {
    let winner = self.winner(description, of: key)
    let change = change(by: winner, of: key)
    guard byteCount + change <= bytesMax else { return false }
    if entries[key]?.description != winner { version &+= 1 }
    byteCount += change
    entries[key] = Entry(description: winner, generation: generation)
    return true
  }

  /// What would be known of a metric with this description beside what is.
  func winner(_ description: MetricMetadata, of key: MetricKey) -> MetricMetadata {
    entries[key].map { MetricMetadata.winner($0.description, description) } ?? description
  }

  /// Takes those of heads and parts, as far as there is room: that of the heads comes first, of the oldest part last.
  mutating func add(of heads: [SeriesHead], _ parts: [SeriesPart]) {
    for head in heads {
      for (key, entry) in head.withStorage({ $0.metadata.entries }).sortedByKey() { take(entry.description, of: key) }
    }
    for part in parts.reversed() {
      for (key, description) in part.content.metadata { take(description, of: key) }
    }
  }

  /// Takes the place of what was known before.
  mutating func follow(_ before: MetricDescriptions) { version = before.version &+ 1 }

  private func change(by description: MetricMetadata, of key: MetricKey) -> Int {
    Self.size(description, of: key) - (entries[key].map { Self.size($0.description, of: key) } ?? 0)
  }

  /// The texts, and about what the table needs for an entry.
  private static func size(_ description: MetricMetadata, of key: MetricKey) -> Int {
    key.name.utf8.count + description.unit.utf8.count + description.help.utf8.count + 128
  }
}

extension [MetricKey: MetricDescriptions.Entry] {
  /// By tenant and name: where there is no room for all, it must not be chance which are kept.
  fileprivate func sortedByKey() -> [(MetricKey, MetricDescriptions.Entry)] {
    map { ($0.key, $0.value) }.sorted {
      ($0.0.tenant.description, $0.0.name) < ($1.0.tenant.description, $1.0.name)
    }
  }
}
