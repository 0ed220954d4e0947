import BenchmarkSupport
import Foundation

/// Needletail on this machine: one node by itself, or members of a cluster.
final class Cluster {
  private let executable: String
  /// Nil for a node by itself.
  private let replication: Int?
  private var peerPorts: [Int]
  private(set) var members: [RunningServer] = []

  /// Starts one node without a cluster.
  init(single executable: String) throws(BenchmarkError) {
    (self.executable, replication, peerPorts) = (executable, nil, [])
    members = [try RunningServer(.needletail(executable))]
  }

  /// Starts so many members, and returns when they have founded a cluster and all slots can be read and written.
  init(_ executable: String, members count: Int, replication: Int) throws(BenchmarkError) {
    (self.executable, self.replication, peerPorts) = (executable, replication, [])
    for _ in 0..<count { peerPorts.append(try RunningServer.freePort()) }
    for number in 0..<count { members.append(try start(number)) }
    try wait("the cluster is not founded") { status in
      (status["epoch"] as? Int ?? 0) > 0 && status["slotsWithoutWriteQuorum"] as? Int == 0
        && status["slotsWithoutReadQuorum"] as? Int == 0
    }
  }

  private func start(_ number: Int) throws(BenchmarkError) -> RunningServer {
    let seeds = peerPorts.prefix(3).map { "127.0.0.1:\($0)" }.joined(separator: ",")
    let (port, replication) = (peerPorts[number], replication ?? 1)
    let single = Contestant.needletail(executable)
    return try RunningServer(
      Contestant(
        name: "n\(number + 1)", executable: executable,
        arguments: { folder, api in
          single.arguments(folder, api) + [
            "--node", "n\(number + 1)", "--peer-listen", "127.0.0.1:\(port)", "--seeds", seeds, "--replication",
            "\(replication)",
          ]
        }, readyPath: "/-/healthy"))
  }

  /// User and system time of all processes, in seconds.
  var cpuSeconds: Double { members.map(\.figures.cpuSeconds).reduce(0, +) }

  var diskBytes: Int { members.map(\.disk.allocated).reduce(0, +) }

  /// Starts one more member, which holds nothing yet; its name, once the others know it.
  func startAnother() throws(BenchmarkError) -> String {
    peerPorts.append(try RunningServer.freePort())
    members.append(try start(members.count))
    let name = "n\(members.count)"
    try wait("\(name) does not join") { status in
      (status["nodes"] as? [[String: Any]] ?? []).contains {
        $0["name"] as? String == name && $0["status"] as? String == "alive"
      }
    }
    return name
  }

  /// Brings what is in memory into parts, on all of them, and waits until they are idle.
  func settle() throws(BenchmarkError) {
    for member in members {
      let answer = try Connection(port: member.port).post("/needletail/v1/admin/flush")
      guard answer.status == 200 else { throw BenchmarkError("admin/flush answered \(answer.status)") }
    }
    var calm = 0
    for _ in 0..<60 where calm < 2 {
      let before = cpuSeconds
      usleep(1_000_000)
      calm = cpuSeconds - before < 0.05 * Double(members.count) ? calm + 1 : 0
    }
  }

  /// What the first member tells of the cluster.
  func status() throws(BenchmarkError) -> [String: Any] {
    let answer = try Connection(port: members[0].port).get("/needletail/v1/cluster/status")
    let json = try? JSONSerialization.jsonObject(with: Data(answer.bytes)) as? [String: Any]
    return json?["data"] as? [String: Any] ?? [:]
  }

  /// Waits until the status is as wanted, a quarter of an hour at most.
  func wait(_ failure: String, until isDone: ([String: Any]) -> Bool) throws(BenchmarkError) {
    for _ in 0..<9_000 {
      if isDone(try status()) { return }
      usleep(100_000)
    }
    throw BenchmarkError("\(failure): \(try status())")
  }

  /// The sum of a metric over all members.
  func metric(_ name: String) throws(BenchmarkError) -> Double {
    var sum = 0.0
    for member in members {
      let text = try Connection(port: member.port).get("/metrics").text
      for line in text.split(separator: "\n") where line.hasPrefix(name + " ") {
        sum += Double(line.split(separator: " ").last ?? "") ?? 0
      }
    }
    return sum
  }
}
