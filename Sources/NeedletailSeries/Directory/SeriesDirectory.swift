import NeedletailEnvironment
import NeedletailTelemetry

/// Which series there are, and by which labels they are found: shared by the head and the frozen head, and kept over
/// flushes.
///
/// Behind a lock of its own, which is taken after the journal's and the engine's and before a head's. What never
/// changes is read without it, from a copy of the records.
final class SeriesDirectory: Sendable {
  private let content = Lock(DirectoryContent())

  func withContent<Result: Sendable, Failure: Error>(
    _ body: (inout DirectoryContent) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try content.withLock { (content) throws(Failure) in try body(&content) }
  }

  /// Notes the first samples of these series in this generation.
  func noteActive(_ series: [UInt32]) {
    guard !series.isEmpty else { return }
    content.withLock { content in
      for number in series { content.noteActive(Int(number)) }
    }
  }

  /// All series up to now.
  var records: DirectoryRecords { content.withLock { $0.records } }

  /// The index as a tenant sees it now; nil where the directory has nothing of it.
  func view(of tenant: TenantID) -> DirectoryView? {
    let records = records
    return records.number(of: tenant).map { DirectoryView(directory: self, records: records, tenant: $0) }
  }
}

/// A directory's index as one tenant saw it at an instant: series that came later are not in it.
///
/// The lock is held for looking up and for reading posting lists, never for running an expression.
struct DirectoryView: SeriesIndexView {
  let directory: SeriesDirectory
  let records: DirectoryRecords
  let tenant: Int

  var universe: Int { records.count }

  func insertAll(into set: inout SeriesBitmap) {
    directory.withContent { content in
      content.forEachSeries(ofTenant: tenant) { series in
        guard series < universe else { return false }
        set.insert(series)
        return true
      }
    }
  }

  func forEachName(_ body: (UnsafeRawBufferPointer) -> Void) {
    for name in 0..<records.names.count where Int(records.names[name].tenant) == tenant {
      records.withName(name, body)
    }
  }

  /// The pairs of a name that were there at the view's instant.
  func pairs(ofName name: String) -> [UInt32] {
    let all = directory.withContent { content in
      content.nameNumber(name, tenant: tenant).map { content.pairs(ofName: $0) } ?? []
    }
    let end = UInt32(truncatingIfNeeded: records.pairs.count)
    return all.last.map { $0 < end } ?? true ? all : all.filter { $0 < end }
  }

  func forEachValue(of name: String, _ body: (UnsafeRawBufferPointer, Int) -> Void) {
    for pair in pairs(ofName: name) { records.withValue(Int(pair)) { body($0, Int(pair)) } }
  }

  func number(of value: String, name: String) -> Int? {
    directory.withContent { $0.pairNumber(value, name: name, tenant: tenant) }
  }

  func memberCount(ofValue number: Int) -> Int? { directory.withContent { $0.memberCount(ofPair: number) } }

  func valueCount(of name: String) -> Int? {
    directory.withContent { content in
      content.nameNumber(name, tenant: tenant).map { content.pairCount(ofName: $0) } ?? 0
    }
  }

  func insertSeries(withValue number: Int, into set: inout SeriesBitmap) {
    insertSeries(withValues: [number], into: &set)
  }

  func insertSeries(withValues numbers: [Int], into set: inout SeriesBitmap) {
    // Some lists at a time, so that no append waits for a million of them.
    for start in stride(from: 0, to: numbers.count, by: 4096) {
      let some = numbers[start..<min(start + 4096, numbers.count)]
      directory.withContent { content in
        for number in some {
          content.forEachSeries(ofPair: number) { series in
            guard series < universe else { return false }
            set.insert(series)
            return true
          }
        }
      }
    }
  }

  func hasValue(_ numbers: [Int], series: Int) -> Bool? {
    var isFound = false
    records.forEachPair(series) { if numbers.contains($0) { isFound = true } }
    return isFound
  }

  func withValue(of name: String, series: Int, _ body: (UnsafeRawBufferPointer?) -> Bool) -> Bool? {
    var found: Int?
    records.forEachPair(series) { pair in
      let matches = records.withName(Int(records.pairs[pair].name)) { $0.elementsEqual(name.utf8) }
      if matches { found = pair }
    }
    guard let found else { return body(nil) }
    return records.withValue(found) { body($0) }
  }
}
