/// How the values of a series go.
enum ValueKind {
  /// A whole counter that grows by about this much a round.
  case counter(Int64)
  /// A counter of seconds in hundredths, as CPU times are, growing by this many hundredths a round.
  case hundredths(Int64)
  /// A gauge with two decimals that walks around this many hundredths.
  case gauge(Int64)
  /// A gauge of bytes in pages of 4,096.
  case pages(Int64)
  case constant(Double)
  /// A gauge that uses its whole mantissa, as averages do.
  case mantissa(Double)
  /// A bucket of a classic histogram that holds this share of the observations; `rate` of them a round, as all buckets of a path.
  case bucket(share: Double, rate: Double, path: Int)
  /// The sum of such a histogram.
  case sum(mean: Double, rate: Double, path: Int)
  /// A native histogram of about `rate` latencies more a round, which are this many octaves wide (one deviation).
  case latencies(rate: Double, octaves: Double)
}

/// Splitmix64: a number that looks random and follows from its seed.
func mixed(_ seed: UInt64) -> UInt64 {
  var value = seed &+ 0x9E37_79B9_7F4A_7C15
  value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
  value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
  return value ^ (value >> 31)
}

/// The same between 0 and 1.
func unit(_ seed: UInt64) -> Double { Double(mixed(seed) >> 11) / Double(1 << 53) }
