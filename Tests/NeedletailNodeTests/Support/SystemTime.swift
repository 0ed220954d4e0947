import NeedletailEnvironment

/// The machine's time, for tests that send data of now.
enum SystemTime {
  static var milliseconds: Int64 { SystemClock().wallNanoseconds() / 1_000_000 }
}
