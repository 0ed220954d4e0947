import NeedletailCluster
import NeedletailEnvironment

/// What repair did since the node started.
struct RepairCounts: Hashable, Sendable {
  /// Exchanges that this node led, to their end or not.
  var exchanges = 0
  var unfinished = 0
  var messagesSent = 0
  var messagesReceived = 0
  /// Messages that could not be read, or came from nobody that is known.
  var malformed = 0
  /// Messages that were not sent: too many were under way, or the other node did not take them.
  var unsent = 0
  /// Bytes of rows that went out and that were taken in.
  var rowBytesSent = 0
  var rowBytesTaken = 0
  /// Rows that others sent and that could not be kept, by message.
  var storesFailed = 0
  /// Windows that were found damaged, by find.
  var damages = 0
  var slotsBecameReady = 0
  /// Where the record of what is ready could not be written.
  var recordsFailed = 0
}

/// The same, shared between those who count and those who tell.
final class RepairCounters: Sendable {
  private let counts = Lock(RepairCounts())

  var value: RepairCounts { counts.withLock { $0 } }

  func count(_ body: (inout RepairCounts) -> Void) { counts.withLock { body(&$0) } }
}

/// What operators see of repair on this node.
struct RepairStatus: Equatable, Sendable {
  /// Slots that the node holds, and those of them that are not whole.
  var slots = 0
  var unready = 0
  /// How often all slots were compared with all partners since the start.
  var rounds = 0
  /// Exchanges that are led at this moment.
  var exchanges = 0
  /// Exchanges that have not ended: those asked for out of turn, and those that are under way.
  var waiting = 0
  /// Of the exchanges that were led to their end, those that found a difference.
  var differences = AntiEntropy.Differences()
  var unheard = 0
  var counts = RepairCounts()
}

extension RepairStatus {
  /// The same as metrics of the node.
  var families: [MetricFamily] {
    func counter(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
      MetricFamily(.counter, "needletail_repair_" + name, help, Double(value))
    }
    return [
      MetricFamily(
        .gauge, "needletail_repair_slots_unready", "Slots of this node that are not whole on it yet.", Double(unready)),
      MetricFamily(.gauge, "needletail_repair_slots", "Slots that this node holds.", Double(slots)),
      counter("rounds_total", "Times that all slots were compared with all their other replicas.", rounds),
      MetricFamily(
        .counter, "needletail_repair_exchanges_total", "Comparisons of a slot with another replica, by their end.",
        [
          MetricFamily.Point(labels: [.init("end", "compared")], value: Double(counts.exchanges)),
          MetricFamily.Point(labels: [.init("end", "unfinished")], value: Double(counts.unfinished)),
        ]),
      counter("messages_sent_total", "Messages about repair that were sent.", counts.messagesSent),
      counter("messages_received_total", "Messages about repair that came.", counts.messagesReceived),
      counter(
        "messages_malformed_total", "Messages about repair that could not be read or came from nobody known.",
        counts.malformed),
      counter("messages_unsent_total", "Messages about repair that could not be sent.", counts.unsent),
      counter("messages_unheard_total", "Messages about repair that were of no use any more, or too many.", unheard),
      counter("row_bytes_sent_total", "Bytes of rows that other replicas lacked.", counts.rowBytesSent),
      counter("row_bytes_taken_total", "Bytes of rows that this node lacked.", counts.rowBytesTaken),
      counter("stores_failed_total", "Messages with rows that could not be kept.", counts.storesFailed),
      counter("damages_total", "Finds of something stored that cannot be read.", counts.damages),
      counter("slots_became_ready_total", "Slots that became whole.", counts.slotsBecameReady),
      counter(
        "records_failed_total", "Times that the record of what is whole could not be written.", counts.recordsFailed),
    ]
  }
}
