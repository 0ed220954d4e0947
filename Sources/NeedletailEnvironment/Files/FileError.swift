/// A call on the file system that failed: what was asked, on which path, why, and what may help.
package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The reason, reduced to what callers decide by.
  package enum Code: Sendable, Equatable {
    /// There is no such file or folder.
    case notFound
    /// The name is taken.
    case exists
    /// The device, or the quota, is full.
    case noSpace
    /// The device failed (`EIO`).
    case device
    /// The process may not do this.
    case permission
    /// Another process holds the lock.
    case locked
    /// The process has too many open files.
    case tooManyFiles
    /// The path leads through a symbolic link, where none is followed.
    case symbolicLink
    /// Anything else; `number` tells.
    case other
  }

  /// The call that failed.
  package enum Operation: String, Sendable, Equatable, CaseIterable {
    case open, read, write, sync, size, truncate, close
    case createDirectory, list, status, remove, rename, link, syncDirectory, lock, freeBytes

    /// As a sentence says it.
    fileprivate var words: String {
      switch self {
      case .createDirectory: "make the folder"
      case .syncDirectory: "sync the folder"
      case .status: "look at"
      case .size: "tell the size of"
      case .freeBytes: "tell how much is free at"
      default: rawValue
      }
    }
  }

  /// Why it failed.
  package var code: Code
  /// What was tried.
  package var operation: Operation
  /// The path that it was tried on.
  package var path: String
  /// The system's error number (`errno`).
  package var number: Int32
  /// The system's words for `number`, or more exact ones.
  package var reason: String

  /// An error with all its parts given.
  package init(_ code: Code, _ operation: Operation, path: String, number: Int32 = 0, reason: String) {
    self.code = code
    self.operation = operation
    self.path = path
    self.number = number
    self.reason = reason
  }

  /// What may help, in one sentence.
  package var remedy: String {
    switch code {
    case .notFound: "Check that the path exists."
    case .exists: "Choose another name, or remove what is there."
    case .noSpace: "Free space on the device, or shorten the retention."
    case .device: "Check the disk: the kernel log tells more; the file is not trusted any further."
    case .permission: "Give this user access to the path."
    case .locked: "Stop the other process, or choose another data folder."
    case .tooManyFiles: "Raise the limit of open files (ulimit -n)."
    case .symbolicLink: "Use the real path: symbolic links inside the data folder are not followed."
    case .other: "The reason names the system's own error."
    }
  }

  package var description: String {
    "cannot \(operation.words) \(path): \(reason). \(remedy)"
  }
}
