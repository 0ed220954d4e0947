/// Who decides what the next topology of a cluster is. It is settled when the cluster is founded, and never changes: some
/// who vote and others who do not ask them would make two topologies of one epoch.
package enum TopologyDecider: UInt8, Hashable, Sendable {
  /// The members, by their votes (`TopologyRegister`).
  case members = 0
  /// An etcd that all members ask (`EtcdSession`).
  case etcd = 1
}
