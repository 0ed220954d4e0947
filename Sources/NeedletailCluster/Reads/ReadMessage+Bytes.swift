// Bytes of `ReadMessage`: the kind (3), the version, what it is, its fields one behind the other.

import NeedletailTelemetry

extension ReadMessage {
  static let version: UInt8 = 3
  /// Bytes of a query, at the most.
  package static let selectionMax = 1 << 20
  /// Bytes of the data of one answer, at the most.
  package static let dataMax = 64 << 20
  /// Bytes of the words of a failure, at the most.
  static let reasonMax = 1024
  /// Groups that are reduced in one ask, at the most: each may take 8 KiB where there are 65,536 slots.
  package static let groupsMax = 1024

  private enum Tag: UInt8 {
    case request = 1
    case response = 2
    case failure = 3
  }

  package var bytes: [UInt8] {
    var writer = ByteWriter(reserving: 256)
    writer.append(MessageKind.read.rawValue)
    writer.append(Self.version)
    switch self {
    case .request(let request):
      writer.append(Tag.request.rawValue)
      Self.write(request, to: &writer)
    case .response(let response):
      writer.append(Tag.response.rawValue)
      Self.write(response, to: &writer)
    case .failure(let read, let ask, let epoch, let reason):
      writer.append(Tag.failure.rawValue)
      writer.append(read)
      writer.appendVarint(UInt64(ask))
      writer.append(epoch)
      writer.appendPrefixed(String(decoding: Array(reason.utf8.prefix(Self.reasonMax / 4)), as: UTF8.self))
    }
    return writer.bytes
  }

  private static func write(_ request: Request, to writer: inout ByteWriter) {
    writer.append(request.read)
    writer.appendVarint(UInt64(request.ask.id))
    writer.append(request.epoch)
    writer.appendPrefixed(request.reader.rawValue)
    write(request.ask.reduced, to: &writer)
    request.ask.series.write(to: &writer)
    request.ask.digests.write(to: &writer)
    write(request.ask.sums, to: &writer)
    writer.append(request.windows)
    writer.appendVarint(request.timeLeft)
    writer.appendPrefixed(bytes: request.selection)
  }

  private static func write(_ groups: [SlotSet], to writer: inout ByteWriter) {
    writer.appendVarint(UInt64(groups.count))
    for group in groups { group.write(to: &writer) }
  }

  private static func write(_ response: Response, to writer: inout ByteWriter) {
    let answer = response.answer
    writer.append(response.read)
    writer.appendVarint(UInt64(response.ask))
    writer.append(response.epoch)
    writer.append(answer.windows)
    SlotSet(answer.digests.keys).write(to: &writer)
    for (_, digest) in answer.digests.sorted(by: { $0.key < $1.key }) { digest.write(to: &writer) }
    answer.notReady.write(to: &writer)
    writer.appendVarint(UInt64(answer.reduced.count))
    for place in answer.reduced { writer.appendVarint(UInt64(place)) }
    answer.series.write(to: &writer)
    writer.appendPrefixed(bytes: response.data)
  }

  /// Reads a message that `node` is asked, or that it sent.
  package init(_ bytes: [UInt8], node: NodeID) throws(MalformedBytes) {
    self = try bytes.withReader { (reader) throws(MalformedBytes) in try Self.read(&reader, node) }
  }

  private static func read(_ reader: inout ByteReader, _ node: NodeID) throws(MalformedBytes) -> ReadMessage {
    guard try reader.read(UInt8.self) == MessageKind.read.rawValue else { throw .invalid("not a read message") }
    guard try reader.read(UInt8.self) == version else { throw .invalid("a version of read messages that is not known") }
    let message: ReadMessage
    switch Tag(rawValue: try reader.read()) {
    case .request: message = .request(try request(&reader, node))
    case .response: message = .response(try response(&reader))
    case .failure:
      let (read, ask) = (try reader.read(UInt64.self), try reader.readNumber())
      let epoch = try reader.read(UInt64.self)
      message = .failure(read: read, ask: ask, epoch: epoch, reason: try reader.readText(max: reasonMax))
    case nil: throw .invalid("an unknown read message")
    }
    try reader.expectEnd()
    return message
  }

  private static func request(_ reader: inout ByteReader, _ node: NodeID) throws(MalformedBytes) -> Request {
    let read: UInt64 = try reader.read()
    var ask = QuorumRead.Ask(id: try reader.readNumber(), node: node)
    let epoch = try reader.read(UInt64.self)
    let name = NodeID(try NodeRecord.text(&reader, max: NodeRecord.nameBytesMax))
    ask.reduced = try groups(&reader)
    ask.series = try SlotSet(from: &reader)
    ask.digests = try SlotSet(from: &reader)
    ask.sums = try groups(&reader)
    guard ask.sums.isEmpty || ask.sums.reduce(into: SlotSet(), { $0.formUnion($1) }) == ask.slots else {
      throw .invalid("sums of other slots than those that are asked for")
    }
    let (windows, timeLeft) = (try reader.readWindows(), try reader.readVarint())
    return Request(
      read: read, ask: ask, epoch: epoch, reader: name, windows: windows, timeLeft: timeLeft,
      selection: try reader.readBytes(max: selectionMax))
  }

  private static func groups(_ reader: inout ByteReader) throws(MalformedBytes) -> [SlotSet] {
    var (groups, slots): ([SlotSet], SlotSet) = ([], [])
    for _ in 0..<(try reader.readCount(max: groupsMax)) {
      let group = try SlotSet(from: &reader)
      guard !group.isEmpty, group.isDisjoint(with: slots) else { throw .invalid("a slot lies in two groups") }
      slots.formUnion(group)
      groups.append(group)
    }
    return groups
  }

  private static func response(_ reader: inout ByteReader) throws(MalformedBytes) -> Response {
    let (read, ask) = (try reader.read(UInt64.self), try reader.readNumber())
    let epoch = try reader.read(UInt64.self)
    var answer = QuorumRead.Answer(windows: try reader.readWindows(), digests: [:])
    let slots = try SlotSet(from: &reader)
    guard slots.count <= reader.remaining / RangeDigest.byteCount else { throw .truncated }
    for slot in slots { answer.digests[slot] = try RangeDigest(from: &reader) }
    answer.notReady = try SlotSet(from: &reader)
    for _ in 0..<(try reader.readCount(max: groupsMax)) { answer.reduced.append(try reader.readNumber()) }
    answer.series = try SlotSet(from: &reader)
    return Response(
      read: read, ask: ask, epoch: epoch, answer: answer, data: try reader.readBytes(max: dataMax))
  }
}
