import NeedletailCluster

/// How fast repair goes.
struct RepairPace: Sendable {
  /// Of the exchanges and what they move.
  var exchanges = Self.usualExchanges
  /// How long a message may take to get there.
  var messageTimeout = Duration.seconds(10)
  /// Messages on their way at a time.
  var messagesMax = 256
  /// How long a window is left alone after its end, in ns: writes that are late, hints and what is under way come in.
  var settleAfter: Int64 = 900_000_000_000
  /// How often slots that are not whole are compared again, damage is looked for and what expired is noted, in ns.
  var lookAfter: Int64 = 5_000_000_000
  /// How often the place of the rounds is kept, in ns.
  var keepCursorAfter: Int64 = 30_000_000_000

  /// Five exchanges of the rounds in a second: 1,024 slots with two partners each take about seven minutes. Fills do not wait.
  private static var usualExchanges: AntiEntropy.Settings {
    var settings = AntiEntropy.Settings()
    settings.pause = 200_000_000
    settings.exchangesMax = 4
    settings.bytesPerSecond = 16 << 20
    return settings
  }
}
