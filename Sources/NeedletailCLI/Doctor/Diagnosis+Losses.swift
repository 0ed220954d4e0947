// What was dropped, where and why, by the books of the members.

import NeedletailBlocks
import NeedletailTerminal

extension Diagnosis {
  func hints(_ member: LedgerState.Member) -> [Finding] {
    var found: [Finding] = []
    for hints in member.hints {
      if hints.waiting > 0 {
        let isUp = cluster?.nodes.first { $0.name == hints.node }?.isUp ?? false
        found.append(
          Finding(
            severity: isUp ? .note : .warning, code: "hints_waiting", node: member.name,
            what: "\(Counted.text(hints.waiting, "hint")) (\(Quantity.text(Double(hints.waitingBytes), .bytes))) "
              + "wait on it "
              + "for \(hints.node)",
            why: isUp ? "they are being delivered" : "\(hints.node) is not there to take them",
            remedy: isUp ? nil : "start \(hints.node) again: hints are kept for a while, then given up"))
      }
      let givenUp = hints.givenUp.filter { !Self.needlessHints.contains($0.key) && $0.value > 0 }
      guard !givenUp.isEmpty else { continue }
      let reasons = givenUp.sorted { $0.key < $1.key }
        .map { "\($0.value) \(Self.hintReasons[$0.key] ?? $0.key)" }.joined(separator: ", ")
      found.append(
        Finding(
          severity: .warning, code: "hints_given_up", node: member.name,
          what: "\(Counted.text(givenUp.values.reduce(0, +), "hint")) for \(hints.node) given up since its start",
          why: reasons,
          remedy: "nothing is lost while another replica has it: needletail cluster verify has all compared and "
            + "waits until "
            + "they agree"))
    }
    return found
  }

  /// Hints that nobody misses: their node is gone for good, or others hold their slots now.
  private static let needlessHints: Set = ["removed", "superseded"]

  private static let hintReasons = [
    "too_many": "beyond what is kept for one node", "not_stored": "that the disk did not take",
    "too_old": "too old", "refused": "that it refused",
  ]

  func copies(_ member: LedgerState.Member) -> [Finding] {
    var found: [Finding] = []
    for copies in member.copies {
      let whose = "\(Self.items(copies.signal)) of tenant \(copies.tenant ?? "(all others)")"
      if copies.missed > 0 {
        found.append(
          Finding(
            severity: .warning, code: "copies_missed", node: member.name,
            what: "\(copies.missed) of \(copies.wanted) copies of \(whose) were neither stored by their replica nor "
              + "kept as a "
              + "hint",
            why: "the replica was away or refused them, and no hint could be kept; other replicas have them",
            remedy: "needletail cluster verify has all replicas compared and waits until they agree"))
      }
      if copies.balance != 0 {
        found.append(imbalance(member, "copies of \(whose)", copies.balance))
      }
    }
    return found
  }

  func accounts(_ member: LedgerState.Member) -> [Finding] {
    member.accounts.flatMap { account in
      let tenant = "of tenant \(account.tenant ?? "(all others)")"
      let whose = "\(Self.items(account.signal)) \(tenant)"
      var found = account.refused.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { reason, count in
        Finding(
          severity: .warning, code: reason == "series_limit" ? "limited" : reason == "shed" ? "shed" : "refused",
          node: member.name,
          what: "\(count) of \(account.received) \(whose) refused for good: \(reason)",
          why: Self.refusals[reason]?.why, remedy: Self.refusals[reason]?.remedy ?? "correct the sender")
      }
      found += account.failed.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { reason, count in
        Finding(
          severity: .warning, code: reason == "rate_limited" ? "limited" : reason == "shed" ? "shed" : "turned_away",
          node: member.name, what: "\(count) of \(account.received) \(whose) turned away: \(reason)",
          why: Self.failures[reason]?.why,
          remedy: Self.failures[reason]?.remedy ?? "its sender was asked to come again: see that it did")
      }
      found += account.requestsFailed.filter { Self.unread[$0.key] != nil && $0.value > 0 }
        .sorted { $0.key < $1.key }.map { reason, count in
          Finding(
            severity: .warning, code: "requests_refused", node: member.name,
            what:
              "\(Counted.text(count, "request")) with \(account.signal) \(tenant) refused before anything was read: \(reason)",
            why: Self.unread[reason]?.why, remedy: Self.unread[reason]?.remedy)
        }
      if account.balance != 0 { found.append(imbalance(member, whose, account.balance)) }
      if account.requestsBalance != 0 {
        found.append(imbalance(member, "requests with \(account.signal) \(tenant)", account.requestsBalance))
      }
      return found
    }
  }

  /// What is counted of a signal.
  private static func items(_ signal: String) -> String {
    switch signal {
    case "metrics": "samples"
    case "logs": "log records"
    case "traces": "spans"
    default: signal
    }
  }

  private func imbalance(_ member: LedgerState.Member, _ what: String, _ balance: Int) -> Finding {
    Finding(
      severity: .problem, code: "books_do_not_balance", node: member.name,
      what: "the books of \(what) do not balance: what came in less what became of it is \(balance), not 0",
      why: "a mistake in Needletail: something was counted twice, or dropped without being counted",
      remedy: "please report it with the answer of /needletail/v1/ledger")
  }

  static func finding(_ loss: SenderLoss) -> Finding {
    Finding(
      severity: .warning, code: "dropped_by_sender", node: nil,
      what: "\(loss.job) dropped \(loss.count) of its \(loss.noun)s before they got here: \(loss.reason)",
      why: loss.reason == "queue_full"
        ? "it made more than its queue holds while they were being sent"
        : "they could not be delivered, or were "
          + "refused",
      remedy: loss.reason == "queue_full"
        ? "raise its queue (OTEL_BSP_MAX_QUEUE_SIZE, OTEL_BLRP_MAX_QUEUE_SIZE), sample, or log less"
        : "see that it reaches the server, and what the server refused")
  }

  // MARK: Reasons

  private typealias Reason = (why: String, remedy: String)

  /// Why items are refused for good.
  private static let refusals: [String: Reason] = [
    "out_of_retention": ("they are older than what is kept", "raise retention, or see why the sender is late"),
    "out_of_order_window": (
      "they are older than out-of-order-window takes", "raise out-of-order-window, or see why the sender is late"
    ),
    "too_far_in_future": ("they lie more than ten minutes ahead", "set the sender's clock by NTP"),
    "invalid_timestamp": ("their time cannot be", "correct the sender: times are ns or ms since 1970"),
    "label_limit": ("too many or too long labels", "drop or shorten labels at the sender"),
    "series_limit": (
      "the tenant has as many active series as it may (tenant-series-max)",
      "find the label that grows (needletail labels, status/tsdb), or raise tenant-series-max"
    ),
    "invalid_labels": ("labels that are not UTF-8, doubled or empty", "correct the sender"),
    "missing_name": ("a metric without a name", "correct the sender"),
    "record_too_large": ("a record beyond the limit", "shorten what is logged or attached"),
    "request_limit": ("a request with more than is taken at once", "send smaller batches"),
    "delta_not_after_last": (
      "a change that was there already, or comes before the last one",
      "a sender that comes again after a time-out does this, and nothing is lost; otherwise give each its own instance"
    ),
    "delta_limit": ("too many series that tell changes", "use cumulative temporality for some senders"),
    "shed": (
      "the node was overloaded and let go of the least important first: debug logs, then unremarkable traces",
      "add nodes or memory, or send less of these"
    ),
    "refused_by_store": ("the store cannot take it", "look at the log; please report it"),
  ]

  /// Why items are turned away whose sender is asked to come again.
  private static let failures: [String: Reason] = [
    "rate_limited": (
      "the tenant sends more than it may in a second",
      "raise tenant-samples-per-second and its kin, or send less; senders that do not come again lose it"
    ),
    "overloaded": (
      "the node had more to do than it has memory for", "add nodes or memory; its senders were asked to come again"
    ),
    "unavailable": (
      "too few replicas, or the disk, took them",
      "see that no member is away and that their disks have room; senders were asked to come again"
    ),
    "shed": (
      "the node was overloaded and let go of the least important first: debug logs, then unremarkable traces",
      "add nodes or memory, or send less of these"
    ),
  ]

  /// Why requests are refused of which nothing could be read.
  private static let unread: [String: Reason] = [
    "invalid": ("their bodies are not what they say", "correct the sender; its own log has the answer"),
    "too_large": ("their bodies are larger than body-bytes-max", "send smaller batches, or raise body-bytes-max"),
    "unsupported_media_type": ("a protocol or a compression that is not spoken here", "use OTLP or remote write 1.0"),
    "too_slow": ("their bodies came too slowly", "look at the network between, or send smaller batches"),
    "broken_off": ("the connection ended before the body did", "look at the network, and the sender's time-out"),
  ]
}
