import NeedletailBlocks
import NeedletailCluster

/// The hints for one node: the queue that decides, the log that keeps them, and what is yet to be done with the log, in order.
struct HintShelf {
  /// Something that is done with the log, one after the other.
  enum Job {
    /// Make a hint of the node's part of a write.
    case hint(WriteID)
    /// Note durably what the node misses, before anything behind it is done.
    case note(HintNote)
    case release(UInt64)
    /// The node is gone for good: nothing is to be known of it any more.
    case removed
  }

  var queue: HintQueue
  /// Nil until the first hint, or while its folder cannot be opened.
  var log: HintLog?
  var jobs: [Job] = []
  /// Hints that waited when the log was opened.
  var left = 0
  /// What could not be noted yet, the disk being full maybe; as long as there is something nothing is released.
  var unnoted = HintNote()
  /// Who does the jobs; nil where there are none.
  var worker: Task<Void, Never>?

  init(_ queue: HintQueue, log: HintLog? = nil) {
    self.queue = queue
    self.log = log
  }

  mutating func add(_ job: Job) {
    // Only the last of releases in a row matters.
    if case .release = job, case .release? = jobs.last { jobs.removeLast() }
    jobs.append(job)
  }

  /// Takes the hints at the front, at most `max` of them, off the jobs.
  mutating func takeHints(max: Int) -> [WriteID] {
    var hints: [WriteID] = []
    for job in jobs.prefix(max) {
      guard case .hint(let write) = job else { break }
      hints.append(write)
    }
    jobs.removeFirst(hints.count)
    return hints
  }
}

/// The names of the folders of hints.
enum HintFolder {
  /// The name of a node's folder: bytes that no file system gives a meaning stand for themselves.
  static func name(of node: NodeID) -> String {
    var name = ""
    for byte in node.rawValue.utf8 {
      if isPlain(byte) {
        name.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16)
        name += "%" + (digits.utf8.count < 2 ? "0" : "") + digits
      }
    }
    return name
  }

  /// The node whose folder has a name; nil where no node's has.
  static func node(of name: String) -> NodeID? {
    var bytes: [UInt8] = []
    var rest = Array(name.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    let node = NodeID(String(decoding: bytes, as: UTF8.self))
    return !bytes.isEmpty && self.name(of: node) == name ? node : nil
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
