#if canImport(Glibc)
  import CProgramText
  import Glibc
#endif

/// The code of the running program.
///
/// A server runs through much of its code for each small request, a few instructions here and there: on pages of 4 KiB most
/// of the time is spent on finding out where they are. On huge pages (2 MiB) a dozen entries of the processor's table
/// cover all of it. Of files the kernel does that only where it was built so; of a program's own memory it always can.
package enum ProgramText {
  package enum Outcome: Equatable, Sendable {
    /// So many bytes of code lie on huge pages now, as far as the system had some.
    case moved(bytes: Int)
    /// All is as it was, for this reason.
    case left(String)
  }

  private static let hugePage = 2 << 20
  private static let setting = "/sys/kernel/mm/transparent_hugepage/enabled"

  /// Moves the code to huge pages: a copy takes its place, with the same addresses and bytes; it may be read and run.
  ///
  /// Takes about 10 ms, and the memory of the code (tens of MiB), which is no longer shared with the file. To be called once, at
  /// the start. Where anything of it cannot be had, such as under systemd's MemoryDenyWriteExecute, nothing is changed.
  package static func moveToHugePages() -> Outcome {
    #if canImport(Glibc) && os(Linux)
      guard let states = text(of: setting), !states.contains("[never]") else {
        return .left("the system has no transparent huge pages")
      }
      guard let code = wholePages else {
        return .left("there is less code than a huge page, or it lies elsewhere than was thought")
      }
      return move(code)
    #else
      return .left("this system has no way to")
    #endif
  }

  #if canImport(Glibc) && os(Linux)
    /// The functions, with what shares their first and last huge page; without what lies on one with other memory.
    private static var wholePages: UnsafeRawBufferPointer? {
      let mask = UInt(hugePage - 1)
      guard let begin = cprogramtext_begin(), let end = cprogramtext_finish(), let lowest = cprogramtext_lowest(),
        let highest = cprogramtext_highest()
      else { return nil }
      var first = UInt(bitPattern: begin) & ~mask
      if first < UInt(bitPattern: lowest) { first += UInt(hugePage) }
      var last = (UInt(bitPattern: end) + mask) & ~mask
      if last > UInt(bitPattern: highest) { last -= UInt(hugePage) }
      guard let any = cprogramtext_any(), (first..<max(first, last)).contains(UInt(bitPattern: any)) else { return nil }
      guard first < last else { return nil }
      return UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: first), count: Int(last - first))
    }

    private static func move(_ code: UnsafeRawBufferPointer) -> Outcome {
      // Fails where there are pages without memory in it.
      guard msync(UnsafeMutableRawPointer(mutating: code.baseAddress), code.count, MS_ASYNC) == 0 else {
        return .left("there is nothing on some of its pages: errno \(errno)")
      }
      // One more, so that there is a beginning of a huge page in it.
      let length = code.count + hugePage
      guard let room = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        room != MAP_FAILED,
        let source = code.baseAddress
      else { return .left("there is no memory for it: errno \(errno)") }
      let mask = UInt(hugePage - 1)
      let start = Int(((UInt(bitPattern: room) + mask) & ~mask) - UInt(bitPattern: room))
      let copy = room + start
      // What lies before and behind the copy was only there to find its place.
      defer {
        if start > 0 { munmap(room, start) }
        munmap(copy + code.count, hugePage - start)
      }
      guard madvise(copy, code.count, MADV_HUGEPAGE) == 0 else {
        defer { munmap(copy, code.count) }
        return .left("the system gives no huge pages: errno \(errno)")
      }
      copy.copyMemory(from: source, byteCount: code.count)
      guard mprotect(copy, code.count, PROT_READ | PROT_EXEC) == 0,
        cprogramtext_replace(copy, UnsafeMutableRawPointer(mutating: source), code.count) == 0
      else {
        defer { munmap(copy, code.count) }
        return .left("the system does not let a program's code be replaced: errno \(errno)")
      }
      letGo(before: UInt(bitPattern: source))
      return .moved(bytes: code.count)
    }

    /// Gives back the memory of what lies ahead of the code, tables of the dynamic linker for the most part: what is wanted
    /// of it is read from the file again.
    private static func letGo(before code: UInt) {
      guard let lowest = cprogramtext_lowest() else { return }
      let first = UInt(bitPattern: lowest)
      if first < code { _ = madvise(lowest, Int(code - first), MADV_DONTNEED) }
    }

    private static func text(of path: String) -> String? {
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { return nil }
      defer { close(file) }
      return withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
        let count = read(file, buffer.baseAddress, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
      }
    }
  #endif
}
