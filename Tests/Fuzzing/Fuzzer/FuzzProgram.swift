import CFuzzDriver
import Glibc

/// The program of all fuzz targets: `needletail-fuzz TARGET [libFuzzer arguments]`; without a target it lists them.
enum FuzzProgram {
  static func run() -> Int32 {
    var arguments = CommandLine.arguments
    guard arguments.count > 1, let target = FuzzTarget.all.first(where: { $0.name == arguments[1] }) else {
      for target in FuzzTarget.all { print(target.name) }
      return arguments.count > 1 ? 64 : 0
    }
    arguments.remove(at: 1)
    var count = Int32(truncatingIfNeeded: arguments.count)
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    return pointers.withUnsafeMutableBufferPointer { pointers in
      var base = pointers.baseAddress
      return LLVMFuzzerRunDriver(&count, &base, target.callback)
    }
  }
}

/// A decoder under fuzz.
///
/// What it is given may be anything; it must return or throw, within its memory and without reading beyond the bytes.
/// `callback` is a C function, so it can hold on to nothing.
struct FuzzTarget: Sendable {
  let name: String
  let callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

  /// Every target; the folder `Corpus` has a folder for each.
  static let all = formats + protocols + languages + members + queries
}

/// The bytes that libFuzzer lends.
func fuzzBytes(_ data: UnsafePointer<UInt8>?, _ count: Int) -> UnsafeRawBufferPointer {
  UnsafeRawBufferPointer(start: data, count: data == nil ? 0 : count)
}
