import Foundation
import NeedletailProcesses
import Testing

#if os(Linux)
  @Suite("Code on huge pages", .serialized)
  struct HugePagesTests {
    /// How many bytes of the code that a process may run come out of the program's file, and out of no file.
    private func code(of process: Int32) throws -> (file: Int, memory: Int) {
      let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")
      var bytes = (file: 0, memory: 0)
      for line in try String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8).split(separator: "\n") {
        let fields = line.split(separator: " ", omittingEmptySubsequences: true)
        let ends = fields[0].split(separator: "-").compactMap { Int($0, radix: 16) }
        guard fields[1].contains("x"), ends.count == 2 else { continue }
        if fields.count == 5 { bytes.memory += ends[1] - ends[0] }
        if fields.last.map(String.init) == program { bytes.file += ends[1] - ends[0] }
      }
      return bytes
    }

    @Test(
      "a server moves its code to memory of its own, and answers as one that was told not to", arguments: [true, false])
    func moved(isTried: Bool) async throws {
      let states =
        (try? String(contentsOfFile: "/sys/kernel/mm/transparent_hugepage/enabled", encoding: .utf8)) ?? "[never]"
      let server = try ServerUnderTest(isTried ? [] : ["--set", "huge-pages=off"])
      try await server.start()
      let bytes = try code(of: try #require(server.process).identifier)
      if isTried, !states.contains("[never]") {
        // All but what lies before the first and behind the last whole huge page, and what is no code.
        #expect(bytes.memory >= 2 << 20 && bytes.memory % (2 << 20) == 0, "\(bytes)")
      } else {
        #expect(bytes.memory == 0 && bytes.file > 2 << 20, "\(bytes)")
      }
      let answer = try await server.get("/api/v1/query?query=1%2B1")
      #expect(answer.status == 200 && String(decoding: answer.body, as: UTF8.self).contains("\"2\""))
      server.stop()
    }
  }
#endif
