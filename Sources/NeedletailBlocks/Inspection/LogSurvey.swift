import NeedletailEnvironment

/// What a data folder's log holds.
package struct LogSurvey: Sendable, Equatable {
  /// One file of the log.
  package struct Segment: Sendable, Equatable {
    /// Its generation and number.
    package var segment: LogSegmentID
    /// Its size in bytes.
    package var bytes: UInt64
    /// Whole records that are in no part yet; nil where the file was not read.
    package var records: UInt64?
    /// Whether all of its records are in parts: the next start removes it.
    package var isFlushed: Bool
  }

  /// The files, in order.
  package var segments: [Segment] = []
  /// What was durable once and cannot be read.
  package var damages: [LogDamage] = []
  /// Where files end in the middle of a write that was never acknowledged.
  package var tornTails: [LogSegmentID: UInt64] = [:]
  /// Names in the folder that are no segments.
  package var others: [String] = []

  /// Lists the files; reads them where there is a seal to read them with.
  ///
  /// Changes nothing. Takes as long as reading the log once.
  static func read(
    _ folder: String, flushedThrough: UInt64, _ seal: LogSeal?, on fileSystem: any FileSystem
  ) throws(FileError) -> LogSurvey {
    var survey = LogSurvey()
    guard try fileSystem.status(folder)?.kind == .directory else { return survey }
    for entry in try fileSystem.list(folder) {
      guard entry.kind == .file, let segment = LogSegmentID(fileName: entry.name) else {
        survey.others.append(entry.name)
        continue
      }
      survey.segments.append(
        Segment(
          segment: segment, bytes: try fileSystem.status(folder + "/" + entry.name)?.size ?? 0,
          isFlushed: segment.generation <= flushedThrough))
    }
    guard let seal else { return survey }
    let inventory = try LogInventory.read(
      folder, flushedThrough: flushedThrough, seal, on: fileSystem, removingFlushed: false)
    let verdict = LogVerdict(inventory)
    survey.damages = verdict.damages
    survey.tornTails = verdict.cuts
    for index in survey.segments.indices where !survey.segments[index].isFlushed {
      survey.segments[index].records = verdict.steps.filter { $0.segment == survey.segments[index].segment }
        .reduce(0) { $0 &+ UInt64($1.sequences.count) }
    }
    return survey
  }
}
