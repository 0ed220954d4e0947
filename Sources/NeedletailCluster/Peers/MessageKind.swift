/// The first byte of every message between nodes: whose it is.
///
/// The second is the version of its form, for each kind its own. Numbers are never used for something else.
package enum MessageKind: UInt8, Sendable {
  case membership = 1
  case write = 2
  case read = 3
  case repair = 4
  case topology = 5
}
