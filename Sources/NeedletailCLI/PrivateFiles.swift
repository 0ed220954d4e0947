#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Who may read what this process makes.
enum PrivateFiles {
  /// Makes every file and folder of this process and its children its owner's alone, those of SQLite included, which
  /// asks for modes of its own.
  static func enforce() { umask(0o077) }
}
