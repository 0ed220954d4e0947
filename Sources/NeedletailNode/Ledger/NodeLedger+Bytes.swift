// The ledger as nodes tell it each other (docs/formats/peer.md). What another node says is held against limits before
// anything is made of it, and its numbers are bounded, so that adding them up cannot overflow.

import NeedletailCollector
import NeedletailTelemetry

extension NodeLedger {
  static let bytesMax = 1 << 20
  private static let version: UInt8 = 1
  private static let listMax = 4_096
  private static let reasonsMax = 64
  private static let textMax = 1_024
  private static let countMax = 1 << 50

  /// Its byte form, of `bytesMax` bytes at most: where all does not fit the books of most tenants are left out.
  var encoded: [UInt8] {
    let all = bytes
    guard all.count > Self.bytesMax else { return all }
    var short = self
    short.accounts = Array(accounts.prefix(Self.reasonsMax))
    short.copies = Array(copies.prefix(Self.reasonsMax))
    short.hints = Array(hints.prefix(Self.reasonsMax))
    short.remarks = ["the ledger is too long for a message; ask this node itself for all of it"] + remarks
    return short.bytes
  }

  private var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.version)
    writer.appendPrefixed(Self.cut(node))
    writer.append(now)
    writer.append(started)
    Self.write(accounts.prefix(3 * IngestLedger.tenantsMax + 3), to: &writer) { writer, account in
      Self.write(account.tenant, account.signal, to: &writer)
      let counted = account.account
      for number in [
        counted.requests, counted.bytes, counted.requestsAcknowledged, counted.requestsUnderWay, counted.received,
        counted.acknowledged, counted.underWay,
      ] { Self.write(number, to: &writer) }
      for counts in [counted.requestsFailed, counted.refused, counted.failed, counted.leftOut] {
        Self.write(counts, to: &writer)
      }
    }
    Self.write(copies.prefix(3 * IngestLedger.tenantsMax + 3), to: &writer) { writer, copies in
      Self.write(copies.tenant, copies.signal, to: &writer)
      let counted = copies.account
      for number in [
        counted.wanted, counted.stored, counted.hinted, counted.missed, counted.removed, counted.failed,
        counted.underWay,
      ] { Self.write(number, to: &writer) }
    }
    Self.write(hints.prefix(Self.listMax / 4), to: &writer) { writer, hints in
      writer.appendPrefixed(Self.cut(hints.node))
      for number in [
        hints.waiting, hints.waitingBytes, hints.left, hints.stored, hints.delivered, hints.failures,
      ] { Self.write(number, to: &writer) }
      Self.write(hints.givenUp, to: &writer)
    }
    Self.write(facts, to: &writer)
    Self.write(remarks.prefix(Self.reasonsMax), to: &writer) { writer, text in writer.appendPrefixed(Self.cut(text)) }
    return writer.bytes
  }

  init(decoding bytes: [UInt8]) throws(MalformedBytes) {
    guard bytes.count <= Self.bytesMax else { throw .invalid("a ledger of more than a MiB") }
    self = try bytes.withReader { reader throws(MalformedBytes) in
      guard try reader.read(UInt8.self) == Self.version else { throw .invalid("a ledger of an unknown version") }
      var ledger = NodeLedger(
        node: try Self.text(from: &reader), now: try reader.read(Int64.self), started: try reader.read(Int64.self))
      for _ in 0..<(try Self.count(from: &reader)) { ledger.accounts.append(try Account(from: &reader)) }
      for _ in 0..<(try Self.count(from: &reader)) { ledger.copies.append(try Copies(from: &reader)) }
      for _ in 0..<(try Self.count(from: &reader)) { ledger.hints.append(try Hints(from: &reader)) }
      ledger.facts = try Self.counts(from: &reader)
      for _ in 0..<(try Self.count(from: &reader)) { ledger.remarks.append(try Self.text(from: &reader)) }
      try reader.expectEnd()
      return ledger
    }
  }

  // MARK: Pieces

  private static func write<Element>(
    _ list: some Collection<Element>, to writer: inout ByteWriter, _ body: (inout ByteWriter, Element) -> Void
  ) {
    writer.appendVarint(UInt64(list.count))
    for element in list { body(&writer, element) }
  }

  /// A tenant, empty for none, and a signal.
  private static func write(_ tenant: String?, _ signal: String, to writer: inout ByteWriter) {
    writer.appendPrefixed(cut(tenant ?? ""))
    writer.appendPrefixed(cut(signal))
  }

  private static func write(_ number: Int, to writer: inout ByteWriter) {
    writer.appendSignedVarint(Int64(min(max(number, -countMax), countMax)))
  }

  private static func write(_ counts: [String: Int], to writer: inout ByteWriter) {
    write(counts.sorted { $0.key < $1.key }.prefix(reasonsMax), to: &writer) { writer, count in
      writer.appendPrefixed(cut(count.key))
      write(count.value, to: &writer)
    }
  }

  private static func cut(_ text: String) -> String {
    text.utf8.count <= textMax ? text : String(decoding: text.utf8.prefix(textMax - 3), as: UTF8.self)
  }

  fileprivate static func text(from reader: inout ByteReader) throws(MalformedBytes) -> String {
    let text = try reader.readPrefixedString()
    guard text.utf8.count <= textMax else { throw .invalid("a text of more than a KiB") }
    return text
  }

  fileprivate static func tenant(from reader: inout ByteReader) throws(MalformedBytes) -> String? {
    let name = try text(from: &reader)
    return name.isEmpty ? nil : name
  }

  fileprivate static func number(from reader: inout ByteReader) throws(MalformedBytes) -> Int {
    let number = try reader.readSignedVarint()
    guard (-Int64(countMax)...Int64(countMax)).contains(number) else { throw .invalid("a number beyond its limit") }
    return Int(number)
  }

  private static func count(from reader: inout ByteReader) throws(MalformedBytes) -> Int {
    let count = try reader.readCount()
    guard count <= listMax else { throw .invalid("a list that is too long") }
    return count
  }

  fileprivate static func counts(from reader: inout ByteReader) throws(MalformedBytes) -> [String: Int] {
    let count = try reader.readCount(elementBytes: 2)
    guard count <= reasonsMax else { throw .invalid("a list of too many counts") }
    var counts: [String: Int] = [:]
    for _ in 0..<count { counts[try text(from: &reader)] = try number(from: &reader) }
    return counts
  }
}

extension NodeLedger.Account {
  fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
    self.init(
      tenant: try NodeLedger.tenant(from: &reader), signal: try NodeLedger.text(from: &reader),
      account: LedgerAccount())
    account.requests = try NodeLedger.number(from: &reader)
    account.bytes = try NodeLedger.number(from: &reader)
    account.requestsAcknowledged = try NodeLedger.number(from: &reader)
    account.requestsUnderWay = try NodeLedger.number(from: &reader)
    account.received = try NodeLedger.number(from: &reader)
    account.acknowledged = try NodeLedger.number(from: &reader)
    account.underWay = try NodeLedger.number(from: &reader)
    account.requestsFailed = try NodeLedger.counts(from: &reader)
    account.refused = try NodeLedger.counts(from: &reader)
    account.failed = try NodeLedger.counts(from: &reader)
    account.leftOut = try NodeLedger.counts(from: &reader)
  }
}

extension NodeLedger.Copies {
  fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
    self.init(
      tenant: try NodeLedger.tenant(from: &reader), signal: try NodeLedger.text(from: &reader),
      account: CopyLedger.Account())
    account.wanted = try NodeLedger.number(from: &reader)
    account.stored = try NodeLedger.number(from: &reader)
    account.hinted = try NodeLedger.number(from: &reader)
    account.missed = try NodeLedger.number(from: &reader)
    account.removed = try NodeLedger.number(from: &reader)
    account.failed = try NodeLedger.number(from: &reader)
    account.underWay = try NodeLedger.number(from: &reader)
  }
}

extension NodeLedger.Hints {
  fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
    self.init(node: try NodeLedger.text(from: &reader))
    waiting = try NodeLedger.number(from: &reader)
    waitingBytes = try NodeLedger.number(from: &reader)
    left = try NodeLedger.number(from: &reader)
    stored = try NodeLedger.number(from: &reader)
    delivered = try NodeLedger.number(from: &reader)
    failures = try NodeLedger.number(from: &reader)
    givenUp = try NodeLedger.counts(from: &reader)
  }
}
