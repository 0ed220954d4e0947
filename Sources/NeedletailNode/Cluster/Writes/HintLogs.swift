import Logging
import NeedletailBlocks
import NeedletailCluster
import NeedletailEnvironment

/// The logs of hints in a data folder.
struct HintLogs: Sendable {
  /// A hint that an earlier run left.
  struct Left: Sendable {
    var sequence: UInt64
    var time: Int64
    var bytes: Int
    var slots: HintedSlots
  }

  /// What there is for a node.
  struct Found: Sendable {
    var node: NodeID
    var log: HintLog
    var hints: [Left]
  }

  /// `DATA/hints`.
  let folder: String
  let fileSystem: any FileSystem
  let limits: HintLogLimits
  let logger: Logger

  init(dataFolder: String, fileSystem: any FileSystem, limits: HintLogLimits, logger: Logger) {
    folder = dataFolder + "/hints"
    self.fileSystem = fileSystem
    self.limits = limits
    self.logger = logger
  }

  /// Opens the logs of all nodes for which there is one, by name.
  func openAll(on executor: ThreadExecutor) async -> [Found] {
    do {
      return try await executor.run {
        guard try fileSystem.status(folder) != nil else { return [] }
        return try fileSystem.list(folder).filter { $0.kind == .directory }
          .compactMap { HintFolder.node(of: $0.name) }.sorted().compactMap { open($0) }
      }
    } catch {
      logger.error("the hints of earlier cannot be listed", metadata: ["reason": "\(error)"])
      return []
    }
  }

  /// Opens a node's log, or begins it; nil where that fails, which is told.
  func open(_ node: NodeID, on executor: ThreadExecutor) async -> Found? {
    (try? await executor.run { open(node) }) ?? nil
  }

  /// Blocks.
  private func open(_ node: NodeID) -> Found? {
    var hints: [Left] = []
    do throws(FileError) {
      if try fileSystem.status(folder) == nil {
        try fileSystem.createDirectory(folder)
        try fileSystem.syncDirectory(String(folder.dropLast("/hints".count)))
      }
      let path = folder + "/" + HintFolder.name(of: node)
      let (log, findings) = try HintLog.open(path, for: node.rawValue, on: fileSystem, limits: limits) {
        sequence, time, payload in
        // What cannot be read is found again when it is to be delivered.
        let slots: HintedSlots
        if case .append(let append)? = try? WriteMessage(decoding: Array(payload)) {
          slots = HintedSlots(append.slots)
        } else {
          slots = HintedSlots()
        }
        hints.append(Left(sequence: sequence, time: time, bytes: payload.count, slots: slots))
      }
      tell(findings, of: node)
      return Found(node: node, log: log, hints: hints)
    } catch {
      logger.error("the hints for a node cannot be opened", metadata: ["node": "\(node)", "reason": "\(error)"])
      return nil
    }
  }

  private func tell(_ findings: HintLog.Findings, of node: NodeID) {
    for damage in findings.damages {
      logger.error(
        "hints are damaged; the node is to be compared in all slots",
        metadata: ["node": "\(node)", "where": "\(damage)"])
    }
    guard findings.tornBytes > 0 else { return }
    logger.notice(
      "hints ended in the middle of a write that was never promised",
      metadata: ["node": "\(node)", "bytes": "\(findings.tornBytes)"])
  }
}
