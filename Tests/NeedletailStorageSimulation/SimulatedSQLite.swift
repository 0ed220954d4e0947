import CSQLite
import NeedletailBlocks
import NeedletailEnvironment

// SQLite on a simulated disk: the file layer that SQLite calls its VFS, over our own. What it asks for is what its layer
// for Unix asks of the system, in the same order: a journal that was made is synced with its folder, and a database that
// exists has bytes. There is one connection to a database, so no lock is ever refused, and what connections would share
// lies in memory.

/// Opens catalogs whose SQLite works on simulated disks.
package enum SimulatedSQLite {
  fileprivate static let name = "needletail-simulated"
  private static let disks = Lock<(next: UInt64, byNumber: [UInt64: WeakDisk])>((1, [:]))

  private final class WeakDisk: Sendable {
    private let disk: Lock<Weak>
    private struct Weak { weak var disk: (any FileSystem & AnyObject)? }
    init(_ disk: any FileSystem & AnyObject) { self.disk = Lock(Weak(disk: disk)) }
    var value: (any FileSystem)? { disk.withLock { $0.disk } }
  }

  /// Registers the layer, once.
  private static let isRegistered: Bool = SQLiteLayer.register(name)

  /// Opens the catalog at a path of a disk, or makes it; one at a time for each path.
  package static func open(_ path: String, on disk: any FileSystem & AnyObject) throws(CatalogError) -> SQLiteCatalog {
    guard isRegistered else { throw CatalogError("SQLite does not take the simulated files") }
    let number = disks.withLock { disks in
      defer { disks.next += 1 }
      disks.byNumber = disks.byNumber.filter { $0.value.value != nil }
      disks.byNumber[disks.next] = WeakDisk(disk)
      return disks.next
    }
    return try SQLiteCatalog(path: "/\(number)" + path, files: name)
  }

  /// The disk and the path on it that SQLite means by a path of its own.
  fileprivate static func find(_ path: UnsafePointer<CChar>?) -> (disk: any FileSystem, path: String)? {
    guard let path else { return nil }
    let text = String(cString: path)
    let number = text.dropFirst().prefix { $0 != "/" }
    guard let key = UInt64(number), let disk = disks.withLock({ $0.byNumber[key]?.value }) else { return nil }
    return (disk, String(text.dropFirst(number.count + 1)))
  }
}

/// A file that SQLite has open.
private final class OpenedFile {
  let disk: any FileSystem
  let file: any File
  /// The folder to be synced with the file's first sync.
  var unsyncedFolder: String?
  /// What connections would share, in pieces.
  var shared: [UnsafeMutableRawPointer] = []

  init(_ disk: any FileSystem, _ file: any File, unsyncedFolder: String?) {
    (self.disk, self.file, self.unsyncedFolder) = (disk, file, unsyncedFolder)
  }

  deinit { shared.forEach { $0.deallocate() } }
}

/// What SQLite keeps of an open file: its own part first.
private struct FileRecord {
  var base: sqlite3_file
  var opened: Unmanaged<OpenedFile>?
}

private func opened(_ file: UnsafeMutablePointer<sqlite3_file>?) -> OpenedFile? {
  file.flatMap { UnsafeMutableRawPointer($0).assumingMemoryBound(to: FileRecord.self).pointee.opened }?
    .takeUnretainedValue()
}

/// What a call that the disk refused is to SQLite.
private func attempt(_ refusal: Int32, _ body: () throws(FileError) -> Void) -> Int32 {
  do throws(FileError) {
    try body()
    return SQLITE_OK
  } catch {
    return error.code == .noSpace ? SQLITE_FULL : refusal
  }
}

/// One of SQLite's extended codes for a call that failed.
private func extended(_ number: Int32) -> Int32 { SQLITE_IOERR | number << 8 }

/// The functions of an open file. Written once, here, and only read afterwards: that many threads see it is safe.
private nonisolated(unsafe) let methods = {
  let methods = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
  methods.initialize(to: SQLiteLayer.fileMethods())
  return methods
}()

/// The functions that SQLite calls.
private enum SQLiteLayer {
  /// Whether SQLite took the layer, which stays for the life of the process.
  static func register(_ name: String) -> Bool {
    let layer = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
    layer.initialize(to: sqlite3_vfs())
    let text = UnsafeMutablePointer<CChar>.allocate(capacity: name.utf8.count + 1)
    for (index, byte) in (Array(name.utf8) + [0]).enumerated() { text[index] = CChar(bitPattern: byte) }
    layer.pointee.iVersion = 1
    layer.pointee.szOsFile = Int32(MemoryLayout<FileRecord>.size)
    layer.pointee.mxPathname = 512
    layer.pointee.zName = UnsafePointer(text)
    setFolderMethods(&layer.pointee)
    setOtherMethods(&layer.pointee)
    return sqlite3_vfs_register(layer, 0) == SQLITE_OK
  }

  private static func setFolderMethods(_ layer: inout sqlite3_vfs) {
    layer.xOpen = { _, path, file, flags, outFlags -> Int32 in
      guard let file, let found = SimulatedSQLite.find(path) else { return SQLITE_CANTOPEN }
      let record = UnsafeMutableRawPointer(file).assumingMemoryBound(to: FileRecord.self)
      record.initialize(to: FileRecord(base: sqlite3_file(pMethods: nil), opened: nil))
      return attempt(SQLITE_CANTOPEN) { () throws(FileError) in
        let isThere = try found.disk.status(found.path) != nil
        let file = try found.disk.open(found.path, isThere || flags & SQLITE_OPEN_CREATE == 0 ? .readWrite : .create)
        let isJournal = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL) != 0
        let folder = String(found.path[..<(found.path.lastIndex(of: "/") ?? found.path.startIndex)])
        let opened = OpenedFile(found.disk, file, unsyncedFolder: isJournal && !isThere ? folder : nil)
        record.pointee = FileRecord(base: sqlite3_file(pMethods: methods), opened: .passRetained(opened))
        outFlags?.pointee = flags
      }
    }
    layer.xDelete = { _, path, syncsFolder in
      guard let found = SimulatedSQLite.find(path) else { return SQLITE_IOERR }
      return attempt(extended(10)) { () throws(FileError) in
        guard try found.disk.status(found.path) != nil else { return }
        try found.disk.remove(found.path)
        let folder = String(found.path[..<(found.path.lastIndex(of: "/") ?? found.path.startIndex)])
        if syncsFolder != 0 { try found.disk.syncDirectory(folder) }
      }
    }
    layer.xAccess = { _, path, _, answer in
      guard let found = SimulatedSQLite.find(path) else { return SQLITE_IOERR }
      return attempt(extended(13)) { () throws(FileError) in
        answer?.pointee = (try found.disk.status(found.path)?.size ?? 0) > 0 ? 1 : 0
      }
    }
    layer.xFullPathname = { _, path, count, full in
      guard let path, let full else { return SQLITE_CANTOPEN }
      let bytes = Array(String(cString: path).utf8) + [0]
      guard bytes.count <= Int(count) else { return SQLITE_CANTOPEN }
      for (index, byte) in bytes.enumerated() { full[index] = CChar(bitPattern: byte) }
      return SQLITE_OK
    }
  }

  private static func setOtherMethods(_ layer: inout sqlite3_vfs) {
    // Salts of the write-ahead log: any will do, and the same ones replay the same run.
    layer.xRandomness = { _, count, bytes in
      for index in 0..<Int(count) { bytes?[index] = CChar(truncatingIfNeeded: index &* 37 &+ 11) }
      return count
    }
    layer.xSleep = { _, microseconds in microseconds }
    layer.xCurrentTime = { _, days in
      days?.pointee = 2_460_000
      return SQLITE_OK
    }
    layer.xGetLastError = { _, _, _ in 0 }
  }

  static func fileMethods() -> sqlite3_io_methods {
    var methods = sqlite3_io_methods()
    methods.iVersion = 2
    setContentMethods(&methods)
    setLockMethods(&methods)
    return methods
  }

  private static func setContentMethods(_ methods: inout sqlite3_io_methods) {
    methods.xClose = { file in
      guard let file else { return SQLITE_OK }
      let record = UnsafeMutableRawPointer(file).assumingMemoryBound(to: FileRecord.self)
      record.pointee.opened?.takeUnretainedValue().file.close()
      record.pointee.opened?.release()
      record.pointee.opened = nil
      return SQLITE_OK
    }
    methods.xRead = { file, target, count, offset in
      guard let opened = opened(file), let target else { return SQLITE_IOERR }
      var read = 0
      let code = attempt(extended(1)) { () throws(FileError) in
        let buffer = UnsafeMutableRawBufferPointer(start: target, count: Int(count))
        read = try opened.file.read(into: buffer, at: UInt64(offset))
      }
      guard code == SQLITE_OK, read < Int(count) else { return code }
      target.advanced(by: read).initializeMemory(as: UInt8.self, repeating: 0, count: Int(count) - read)
      return extended(2)
    }
    methods.xWrite = { file, source, count, offset in
      guard let opened = opened(file), let source else { return SQLITE_IOERR }
      return attempt(extended(3)) { () throws(FileError) in
        try opened.file.write(UnsafeRawBufferPointer(start: source, count: Int(count)), at: UInt64(offset))
      }
    }
    methods.xTruncate = { file, size in
      guard let opened = opened(file) else { return SQLITE_IOERR }
      return attempt(extended(6)) { () throws(FileError) in try opened.file.truncate(to: UInt64(size)) }
    }
    methods.xSync = { file, _ in
      guard let opened = opened(file) else { return SQLITE_IOERR }
      return attempt(extended(4)) { () throws(FileError) in
        try opened.file.sync()
        if let folder = opened.unsyncedFolder { try opened.disk.syncDirectory(folder) }
        opened.unsyncedFolder = nil
      }
    }
    methods.xFileSize = { file, size in
      guard let opened = opened(file) else { return SQLITE_IOERR }
      return attempt(extended(7)) { () throws(FileError) in size?.pointee = Int64(try opened.file.size()) }
    }
  }

  private static func setLockMethods(_ methods: inout sqlite3_io_methods) {
    methods.xLock = { _, _ in SQLITE_OK }
    methods.xUnlock = { _, _ in SQLITE_OK }
    methods.xCheckReservedLock = { _, answer in
      answer?.pointee = 0
      return SQLITE_OK
    }
    methods.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
    methods.xSectorSize = { _ in 4096 }
    // As on Unix: a write that is cut off spoils no byte beside its own.
    methods.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
    methods.xShmMap = { file, index, size, extends, region in
      guard let opened = opened(file) else { return SQLITE_IOERR }
      while opened.shared.count <= Int(index), extends != 0 {
        let piece = UnsafeMutableRawPointer.allocate(byteCount: Int(size), alignment: 16)
        piece.initializeMemory(as: UInt8.self, repeating: 0, count: Int(size))
        opened.shared.append(piece)
      }
      let piece = Int(index) < opened.shared.count ? opened.shared[Int(index)] : nil
      region?.pointee = piece
      return SQLITE_OK
    }
    methods.xShmLock = { _, _, _, _ in SQLITE_OK }
    methods.xShmBarrier = { _ in }
    methods.xShmUnmap = { file, _ in
      guard let opened = opened(file) else { return SQLITE_OK }
      opened.shared.forEach { $0.deallocate() }
      opened.shared = []
      return SQLITE_OK
    }
  }
}
