import NeedletailBlocks
import NeedletailCluster

/// The bounds and the patience of replicated writes.
struct WriteSettings: Sendable {
  var writes = WriteLimits()
  var hints = HintLimits()
  var hintLog = HintLogLimits()
  /// How long a write may take until its caller is told to come again, in ns.
  var deadline: Int64 = 10_000_000_000
  /// After how long slots that were told as in need of repair are told again, in ns.
  var retellAfter: Int64 = 10_000_000_000
  /// Bytes of hints that are encoded and written at once.
  var hintGroupBytes = 4 << 20
}
