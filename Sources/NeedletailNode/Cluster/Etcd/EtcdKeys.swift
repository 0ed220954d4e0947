/// Where what lies, behind the prefix of the cluster (docs/formats/etcd.md).
enum EtcdKeys {
  static let members = "members/"
  static let topology = "topology/"

  /// The first key behind all that begin with a text which ends with a slash.
  static func end(of folder: String) -> String { folder.dropLast() + "0" }
}
