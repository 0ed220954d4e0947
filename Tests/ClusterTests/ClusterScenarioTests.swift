import Foundation
import NeedletailEnvironment
import NeedletailProcesses
import Testing

/// Whether the tests may run: they find out in /proc who opened a connection.
private let isPossible = OutsideProgram.isCI || SocketOwner.isKnown

/// Five real processes under load and faults. A test begins with a whole cluster and ends with one, after everything that
/// was acknowledged was read back.
@Suite("Five nodes under load", .serialized, .enabled(if: isPossible), ClusterScope(), .timeLimit(.minutes(15)))
struct ClusterScenarioTests {
  @Test("lose nothing, invent nothing and double nothing when each is killed in turn")
  func kills() async throws {
    try await Scenario.play("kill") { scenario in
      for _ in 0..<Scenario.rounds {
        for name in await scenario.harness.names {
          try await scenario.harness.end(name, SIGKILL)
          try await scenario.run.progress(100, seconds: 30, "while \(name) is dead")
          try await scenario.harness.start(name)
        }
      }
    }
  }

  @Test("go on while one stands still, and what it answers late counts for nothing that is wrong")
  func standstill() async throws {
    try await Scenario.play("stop") { scenario in
      var random = SeededGenerator(seed: scenario.seed)
      for _ in 0..<Scenario.rounds {
        for name in await scenario.harness.names.shuffled(using: &random).prefix(2) {
          try await scenario.harness.stop(name, true)
          try await scenario.run.progress(300, seconds: 30, "while \(name) stands still")
          try await Task.sleep(for: .seconds(4))
          try await scenario.harness.stop(name, false)
        }
      }
    }
  }

  @Test(
    "go on when links are cut, one way too, held up, delayed or slow, and connections half open",
    .enabled(if: Scenario.isLong))
  func links() async throws {
    try await Scenario.play("links") { scenario in
      let plan = FaultPlan(
        nodes: await scenario.harness.names, steps: 10 * Scenario.rounds, milliseconds: 500...2500, seed: scenario.seed)
      print(plan)
      for step in plan.steps {
        try await scenario.harness.proxy.set(step.fault, on: step.links)
        try await Task.sleep(for: .milliseconds(step.milliseconds))
        try await scenario.harness.proxy.heal()
      }
      let names = await scenario.harness.names
      for other in names.dropFirst() { try await scenario.harness.proxy.leaveHalfOpen(for: names[0], from: other) }
      try await scenario.run.progress(300, seconds: 30, "with half-open connections")
      try await scenario.harness.proxy.heal()
      let figures = try await scenario.harness.proxy.figures()
      print("fault proxy: \(figures)")
      // The plan is about nothing where the proxy does not know who is who. Some are gone before it has looked.
      guard figures.strangers * 3 < figures.connections, figures.resets > 0, figures.lostBytes > 0 else {
        throw TestFailure("the faults met no connection: \(figures)")
      }
    }
  }

  @Test("go on when a node is alone on one side of a cut, and it answers nothing as if it were whole")
  func partition() async throws {
    try await Scenario.play("partition") { scenario in
      let names = await scenario.harness.names
      let alone = names[Int(scenario.seed % UInt64(names.count))]
      try await scenario.harness.proxy.part([alone], from: names.filter { $0 != alone }, .swallowed)
      try await scenario.run.progress(300, seconds: 30, "while \(alone) is cut off")
      let reader = ReadBack(
        client: try await scenario.harness.client(alone), telemetry: scenario.run.telemetry, consistency: .quorum)
      let answer = try await reader.samples()
      guard answer.coverage?.contains("partial=true") == true else {
        throw TestFailure("\(alone) reaches nobody and says \(answer.coverage ?? "nothing")")
      }
      var denying = reader
      denying.allowsPartial = false
      let denied = try? await denying.samples()
      guard denied == nil else { throw TestFailure("\(alone) answers what it was not to answer in part") }
      try await scenario.harness.proxy.heal()
    }
  }

  @Test("keep what a node misses while it is down as hints, and it has all of that when it is back")
  func hints() async throws {
    try await Scenario.play("hints") { scenario in
      let names = await scenario.harness.names
      let name = names[Int(scenario.seed % UInt64(names.count))]
      try await scenario.harness.end(name, SIGTERM)
      try await scenario.run.progress(1500 * Scenario.rounds, seconds: 60 * Scenario.rounds, "while \(name) is down")
      try await eventually(seconds: 30, "the others hold hints for \(name)") {
        var count = 0
        for other in names where other != name {
          count += (try? await scenario.harness.status(other).member(name)?.hints) ?? 0
        }
        return count > 0
      }
      try await scenario.harness.start(name)
    }
  }

  @Test(
    "fill a node whose data folder was deleted, which counts for nothing until that is done",
    .enabled(if: Scenario.isLong))
  func emptied() async throws {
    try await Scenario.play("emptied") { scenario in
      let names = await scenario.harness.names
      let name = names[Int(scenario.seed % UInt64(names.count))]
      try await scenario.harness.end(name, SIGKILL)
      try await scenario.harness.deleteData(name)
      // A new disk may not take the name of a node that is believed to be alive.
      try await eventually(seconds: 60, "\(name) counts as dead") {
        for other in names where other != name {
          let seen = try? await scenario.harness.status(other).member(name)?.status
          guard seen == "dead" else { return false }
        }
        return true
      }
      try await scenario.harness.start(name)
      var unready: Int?
      try await eventually(seconds: 300, "\(name) is filled, \(unready.map(String.init) ?? "unknown") slots are not") {
        let status = try? await scenario.harness.status(name)
        unready = status?.member(name)?.unready
        return status?.member(name).map { $0.status == "alive" && $0.slots > 0 && $0.unready == 0 } ?? false
      }
    }
  }

  @Test(
    "go on when a disk is full, and the node goes on when there is space",
    .enabled(if: Scenario.isLong),
    .enabled(if: OutsideProgram.isCI || getuid() == 0, "a small disk is mounted, which only root may"))
  func fullDisk() async throws {
    try await Scenario.play("full") { scenario in
      let names = await scenario.harness.names
      let name = names[Int(scenario.seed % UInt64(names.count))]
      try await scenario.harness.end(name, SIGTERM)
      try await scenario.harness.moveToSmallDisk(name, mebibytes: 64)
      try await scenario.harness.start(name)
      try await scenario.run.progress(100, seconds: 30, "on the small disk")
      try await scenario.harness.fillDisk(name, true)
      try await scenario.run.progress(1000, seconds: 60, "while the disk of \(name) is full")
      try await scenario.harness.fillDisk(name, false)
    }
  }

  @Test("go on through a restart of all, one after the other")
  func rolling() async throws {
    try await Scenario.play("rolling") { scenario in
      for name in await scenario.harness.names {
        let status = try await scenario.harness.end(name, SIGTERM)
        guard status == 0 else { throw TestFailure("\(name) ended with \(status)") }
        try await scenario.harness.start(name)
      }
    }
  }

  @Test("take two more in and let one go while they work", .enabled(if: Scenario.isLong))
  func members() async throws {
    try await Scenario.play("members") { scenario in
      let (harness, run) = (scenario.harness, scenario.run)
      let first = await harness.names.count + 1
      for number in [first, first + 1] {
        try await harness.join("n\(number)")
        try await harness.ask("n1", for: "add", node: "n\(number)")
        try await run.progress(200, seconds: 30, "while n\(number) is added")
        try await harness.settle(seconds: 300)
      }
      try await harness.ask("n1", for: "drain", node: "n2")
      try await run.progress(200, seconds: 30, "while n2 is drained")
      try await harness.settle(seconds: 300)
      try await eventually(seconds: 30, "n2 holds nothing") {
        (try? await harness.status("n1").member("n2")?.slots) == 0
      }
      try await harness.end("n2", SIGTERM)
      try await eventually(seconds: 60, "n2 is not there any more") {
        ["dead", "left"].contains((try? await harness.status("n1").member("n2")?.status) ?? "")
      }
      // With it goes what others keep for it.
      if try await harness.status("n1").member("n2")?.status == "dead" {
        try await harness.ask("n1", for: "remove", node: "n2")
      }
    }
  }

  @Test(
    "have all that a real Prometheus scraped, though the node that it writes to is killed",
    .enabled(if: OutsideProgram.isExpected("prometheus", "prometheus-node-exporter")))
  func prometheus() async throws {
    try await Scenario.play("prometheus") { scenario in
      let (harness, names) = (scenario.harness, await scenario.harness.names)
      let (written, asked) = (try await harness.client(names[0]), try await harness.client(names[1]))
      let peer = try PrometheusPeer(writingTo: written.port)
      defer { peer.end() }
      func scraped(_ count: Int) async throws {
        try await eventually(seconds: 60, "Prometheus has scraped \(count) times: \(peer.prometheus.output)") {
          let data = try? await asked.prometheus(
            "/api/v1/query", ["query": "up{job=\"node\"}[5m]"], port: peer.port)
          return try data.map { try PrometheusPeer.samples($0).values.first.map { $0.count >= count } ?? false }
            ?? false
        }
      }
      try await scraped(4)
      try await harness.end(names[0], SIGKILL)
      try await scraped(8)
      try await harness.start(names[0])
      try await scraped(12)
      let until = String(Int(Date().timeIntervalSince1970) - 1)
      let query = ["query": "{job=\"node\"}[5m]", "time": until]
      let expected = try PrometheusPeer.samples(await asked.prometheus("/api/v1/query", query, port: peer.port))
      guard expected.count > 300 else { throw TestFailure("Prometheus has \(expected.count) series") }
      let strict = query.merging(["consistency": "all", "partial": "deny"]) { $1 }
      var actual: [String: [String]] = [:]
      try await eventually(seconds: 60, "all \(expected.count) series are there, have \(actual.count)") {
        guard let data = try? await asked.prometheus("/api/v1/query", strict) else { return false }
        actual = try PrometheusPeer.samples(data)
        return actual == expected
      }
    }
  }

  @Test("have everything on as many disks as were promised, each read alone")
  func folders() async throws {
    let harness = try await SharedCluster.shared.healthy()
    if await SharedCluster.shared.runs.isEmpty { try await Scenario.play("folders") { _ in } }
    try await harness.verify(seconds: 240)
    let runs = await SharedCluster.shared.runs
    var copies = runs.map { _ in [Entry: Int]() }
    var problems: [String] = []
    try await harness.alone { name, client in
      for (index, run) in runs.enumerated() {
        let reader = ReadBack(client: client, telemetry: run.telemetry)
        let read = try await run.read(reader, traces: run.traces(40, seed: 1)).entries
        for entry in read { copies[index][entry, default: 0] += 1 }
        let books = run.ledger.books
        let verdict = Verdict(read, acknowledged: [], attempted: books.attempted)
        if !verdict.isClean { problems.append("\(name) alone has of \(run.telemetry.run): \(verdict)") }
      }
    }
    for (index, run) in runs.enumerated() {
      let traces = Set(run.traces(40, seed: 1))
      let few = run.ledger.books.acknowledged.filter {
        ($0.signal != .span || traces.contains($0.series)) && copies[index][$0, default: 0] < 3
      }
      if !few.isEmpty {
        problems.append("\(few.count) of \(run.telemetry.run) on fewer than three: \(few.sorted().prefix(5))")
      }
    }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
    try await SharedCluster.shared.end()
  }
}
