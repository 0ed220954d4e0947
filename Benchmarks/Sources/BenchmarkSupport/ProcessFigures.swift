import Foundation

/// What Linux tells of a running process.
package struct ProcessFigures {
  package let identifier: pid_t

  package init(identifier: pid_t) { self.identifier = identifier }

  /// User and system time of all threads so far, those that ended included, in seconds; of nanosecond resolution.
  package var cpuSeconds: Double {
    var clock = clockid_t()
    var time = timespec()
    guard clock_getcpuclockid(identifier, &clock) == 0, clock_gettime(clock, &time) == 0 else { return .nan }
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Memory that no file backs, in bytes.
  package var anonymousBytes: Int { kilobytes("Anonymous:", in: "smaps_rollup") * 1024 }

  /// Resident memory, mapped files included, in bytes.
  package var residentBytes: Int { kilobytes("VmRSS:", in: "status") * 1024 }

  /// The most resident memory since `resetPeak`, or since the process began, in bytes.
  package var peakResidentBytes: Int { kilobytes("VmHWM:", in: "status") * 1024 }

  /// Begins anew with the most resident memory; false where the kernel does not let it.
  @discardableResult
  package func resetPeak() -> Bool {
    (try? "5".write(toFile: "/proc/\(identifier)/clear_refs", atomically: false, encoding: .utf8)) != nil
  }

  private func kilobytes(_ field: String, in file: String) -> Int {
    let text = (try? String(contentsOfFile: "/proc/\(identifier)/\(file)", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix(field) }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }
}
