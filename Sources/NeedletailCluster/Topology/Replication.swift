/// How many nodes hold each slot (N), and how many of them have a write on disk before it is acknowledged (W).
package struct Replication: Hashable, Sendable {
  package let count: Int
  package let writeQuorum: Int

  package init(count: Int, writeQuorum: Int) {
    self.count = count
    self.writeQuorum = writeQuorum
  }

  /// W for a slot of so many replicas: all of them where there are fewer.
  package func acknowledgements(of replicas: Int) -> Int { max(1, min(writeQuorum, replicas)) }

  /// R for a slot of so many replicas: so many that any of them have a replica in common with any W.
  package func readers(of replicas: Int) -> Int { max(1, replicas - acknowledgements(of: replicas) + 1) }

  func check() throws(TopologyError) {
    guard (1...Topology.replicaCountMax).contains(count) else {
      throw .invalid("the number of replicas \(count), which is 1 to \(Topology.replicaCountMax),")
    }
    guard (1...count).contains(writeQuorum) else {
      throw .invalid("the write quorum \(writeQuorum) of \(count) replicas")
    }
  }
}
