import NeedletailEnvironment
import NeedletailTelemetry

/// What a node knows of its own health: its disk, what it lost, and what failed since its start.
struct NodeHealth: Sendable {
  let storage: NodeStorage
  let dataFolder: String
  let fileSystem: any FileSystem
  /// The threads that may wait for the disk.
  let executor: ThreadExecutor
  let maintenance: MaintenanceCounters
  /// When the node's certificate stops being valid, in seconds since 1970; nil without one.
  let certificateExpiry: @Sendable () -> Int64?

  /// What only the disk tells.
  private struct Disk: Sendable {
    var free: Int?
    var quarantined: Int?
  }

  /// Numbers by name; what cannot be told is missing.
  func facts() async -> [String: Int] {
    let disk = await disk()
    let (series, logs, spans) = (storage.series.statistics, storage.logs.statistics, storage.spans.statistics)
    var facts: [String: Int] = [
      "stored_bytes": Int(clamping: series.partBytes &+ logs.partBytes &+ spans.partBytes),
      "head_bytes": storage.headBytes,
      "log_pending_bytes": storage.journal.pendingBytes,
      "log_refusing": storage.journal.refusal == nil ? 0 : 1,
      "log_files_given_up": storage.journal.filesGivenUp,
      "maintenance_failures": Int(clamping: maintenance.snapshot.failures),
      "damaged_parts": storage.unreadableParts.reasons.count,
      "damaged_reads": Int(clamping: logs.failedReads &+ spans.failedReads &+ UInt64(clamping: series.damagedReads)),
      "losses": storage.losses.count,
      "rows_stored_metrics": Int(clamping: series.samplesAppended &+ series.histogramsAppended),
      "rows_stored_logs": Int(clamping: logs.acceptedRows),
      "rows_stored_traces": Int(clamping: spans.acceptedRows),
    ]
    facts["disk_free_bytes"] = disk.free
    facts["quarantine_entries"] = disk.quarantined
    facts["certificate_expires_seconds"] = certificateExpiry().map { Int(clamping: $0) }
    return facts
  }

  /// What was lost, and why nothing is taken, in words.
  var remarks: [String] {
    var remarks = storage.losses
    if let refusal = storage.journal.refusal { remarks.append("the log takes nothing: \(refusal)") }
    return remarks
  }

  private func disk() async -> Disk {
    let (dataFolder, fileSystem) = (dataFolder, fileSystem)
    let found = try? await executor.run {
      let free = (try? fileSystem.freeBytes(dataFolder)).map { Int(clamping: $0) }
      let folder = dataFolder + "/quarantine"
      var quarantined: Int?
      do throws(FileError) {
        quarantined = try fileSystem.status(folder) == nil ? 0 : fileSystem.list(folder).count
      } catch { quarantined = nil }
      return Disk(free: free, quarantined: quarantined)
    }
    return found ?? Disk()
  }

  /// What of it no other metric tells.
  func families() async -> [MetricFamily] {
    let facts = await facts()
    let told: [(fact: String, kind: MetricMetadata.Kind, name: String, help: String)] = [
      (
        "disk_free_bytes", .gauge, "needletail_disk_free_bytes",
        "Bytes that may still be written on the data "
          + "folder's disk."
      ),
      (
        "quarantine_entries", .gauge, "needletail_quarantine_entries",
        "What was moved out of the way and nobody has looked at."
      ),
      (
        "log_files_given_up", .counter, "needletail_log_files_given_up_total",
        "Files of the log that were given up after a write or a sync that failed."
      ),
      ("log_refusing", .gauge, "needletail_log_refusing", "1 while the log takes nothing."),
      ("damaged_parts", .gauge, "needletail_damaged_parts", "Parts that cannot be read."),
      (
        "certificate_expires_seconds", .gauge, "needletail_certificate_expiry_seconds",
        "When the node's certificate stops being valid, in seconds since 1970."
      ),
    ]
    return told.compactMap { told in
      facts[told.fact].map { MetricFamily(told.kind, told.name, told.help, Double($0)) }
    }
  }
}
