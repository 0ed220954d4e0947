extension DataFolder {
  /// What was acknowledged and is known to be lost, each in words with its place: records of the log that a start could
  /// not read, or that an engine did not take, until a repair takes note of them.
  ///
  /// Whoever answers from this folder should say so. Call it after `startJournal`.
  package func knownLosses() throws(DataFolderError) -> [String] {
    do throws(CatalogError) { return try catalog.damages().compactMap(\.loss) } catch { throw .catalog(error) }
  }
}

extension LogDamage {
  /// What it costs, in words; nil where no record is missing.
  package var loss: String? {
    guard let sequences else { return nil }
    let records =
      sequences.count == 1
      ? "record \(sequences.lowerBound) of the log is lost"
      : "records \(sequences.lowerBound) to "
        + "\(sequences.upperBound) of the log are lost"
    return "\(records) (log/\(segment.fileName), bytes \(range.lowerBound) to \(range.upperBound))"
  }
}
