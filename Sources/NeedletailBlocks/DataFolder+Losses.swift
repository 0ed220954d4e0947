extension DataFolder {
  /// What was acknowledged and is known to be lost, in one line of words with its places, or none: records of the log that
  /// a start could not read, or that an engine did not take, until a repair takes note of them.
  ///
  /// Whoever answers from this folder should say so. Call it after `startJournal`.
  package func knownLosses() throws(DataFolderError) -> [String] {
    let losses: [String]
    do throws(CatalogError) { losses = try catalog.damages().map(\.loss) } catch { throw .catalog(error) }
    let told = losses.prefix(Self.lossesToldMax)
    let more = losses.count > told.count ? ["and \(losses.count - told.count) more"] : []
    return losses.isEmpty ? [] : [(told + more).joined(separator: "; ")]
  }

  private static let lossesToldMax = 3
}

extension LogDamage {
  /// What it costs, in words.
  package var loss: String {
    guard let sequences else {
      return "nothing of log/\(segment.fileName) can be read: it is another folder's, or damaged all over"
    }
    let records =
      sequences.count == 1
      ? "record \(sequences.lowerBound) of the log is lost"
      : "records \(sequences.lowerBound) to "
        + "\(sequences.upperBound) of the log are lost"
    return "\(records) (log/\(segment.fileName), bytes \(range.lowerBound) to \(range.upperBound))"
  }
}
