import Foundation
import NeedletailProcesses
import Testing

/// What operators are told by real nodes while some of them are away.
@Suite("What a cluster says of nodes that are away", .serialized, .timeLimit(.minutes(5)))
struct ClusterControlTests {
  private typealias Answer = (status: Int, text: String)

  private static func ask(
    _ harness: ClusterHarness, _ node: String, _ path: String, isPost: Bool = false
  ) async throws -> Answer {
    let answer = try await harness.client(node).ask(path, isPost: isPost, seconds: 30)
    return (answer.status, String(decoding: answer.body, as: UTF8.self))
  }

  private static func write(_ harness: ClusterHarness, _ node: String) async throws -> Answer {
    var body = RemoteWriteBody()
    let now = Int64(Date().timeIntervalSince1970 * 1_000)
    for number in 0..<40 { body.add(["__name__": "written", "number": "\(number)"], [(now, 1)]) }
    let answer = try await harness.client(node).post(
      "/api/v1/write", body.bytes, type: "application/x-protobuf", headers: ["content-encoding": "snappy"])
    return (answer.status, String(decoding: answer.body, as: UTF8.self))
  }

  @Test("one that stops in order is missed before it has ended, and two that are away are named by what fails for them")
  func away() async throws {
    let harness = try ClusterHarness(["--set", "self-interval=off"])
    do {
      try await harness.form(3)
      #expect(try await harness.end("n3", SIGTERM) == 0)
      // Nobody can have found it out by looking for it: a suspicion alone lasts for five seconds.
      try await eventually(seconds: 4, "n3 is missed at once") {
        try await harness.status("n1").member("n3")?.status == "dead"
      }
      #expect(try await Self.write(harness, "n1").status == 204)
      let drained = try await Self.ask(harness, "n1", "/needletail/v1/cluster/drain?node=n3", isPost: true)
      #expect(drained.status == 409 && drained.text.contains("n3 is not there, and gives nothing"), "\(drained)")
      // So it may be taken out at once, on which two of three can agree.
      let removal = try await Self.ask(
        harness, "n1", "/needletail/v1/cluster/remove?node=n3&dry_run=true", isPost: true)
      #expect(removal.status == 200 && !removal.text.contains("majority"), "\(removal)")

      #expect(try await harness.end("n2", SIGTERM) == 0)
      let refused = try await Self.write(harness, "n1")
      #expect(refused.status == 503 && refused.text.contains("n2") && refused.text.contains("n3"), "\(refused)")
      let drain = try await Self.ask(harness, "n1", "/needletail/v1/cluster/drain?node=n1", isPost: true)
      #expect(drain.status == 409 && drain.text.contains("no majority"), "\(drain)")
      #expect(drain.text.contains("n2") && drain.text.contains("n3"), "\(drain)")
      let dry = try await Self.ask(
        harness, "n1", "/needletail/v1/cluster/remove?node=n3&dry_run=true", isPost: true)
      #expect(dry.text.contains("no majority of the members that hold slots is there"), "\(dry)")
      let search = try await Self.ask(harness, "n1", "/tempo/api/search?partial=allow")
      #expect(search.status == 200 && search.text.contains(#""status":"PARTIAL""#), "\(search)")
      let denied = try await Self.ask(harness, "n1", "/tempo/api/search")
      #expect(denied.status == 503 && denied.text.contains("n2") && denied.text.contains("n3"), "\(denied)")

      try await harness.start("n2")
      try await harness.start("n3")
      try await harness.settle(seconds: 60)
      #expect(try await Self.write(harness, "n1").status == 204)
    } catch {
      print(await harness.lastLines())
      try await harness.end()
      throw error
    }
    try await harness.end()
  }

  @Test(
    "what a tenant may send is shared by all that take it, unless each may take all of it", arguments: [true, false])
  func rates(isShared: Bool) async throws {
    let harness = try ClusterHarness(
      ["--set", "self-interval=off", "--set", "tenant-samples-per-second=1"]
        + (isShared ? [] : ["--set", "tenant-rate-strategy=local"]))
    do {
      try await harness.form(3)
      // The first is taken on credit, which is paid off after half a minute at the earliest.
      #expect(try await Self.write(harness, "n1").status == 204)
      let second = try await Self.write(harness, "n1")
      #expect(second.status == 503 && second.text.contains("one part in 3") == isShared, "\(second)")
    } catch {
      print(await harness.lastLines())
      try await harness.end()
      throw error
    }
    try await harness.end()
  }
}
