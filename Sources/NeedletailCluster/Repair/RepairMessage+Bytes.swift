// Bytes of `RepairMessage`: the kind (4), the version, what it is, its fields one behind the other.

import NeedletailTelemetry

extension RepairMessage {
  static let version: UInt8 = 1
  /// Series of one list, at the most: a bucket of an hour that has more cannot be compared.
  package static let seriesMax = 1 << 16
  /// Bytes of a payload, at the most.
  package static let payloadMax = 16 << 20
  /// Of a whole message: a payload and what stands around it, what is left of it included.
  package static let bytesMax = payloadMax + seriesMax * Hash128.byteCount + 1024
  /// Buckets of a window: 64 of metrics, of logs and of spans, one behind the other.
  package static let bucketCount = signalCount * SlotMap.bucketCount
  /// Metrics, logs and spans.
  static let signalCount = 3
  /// Numbers of buckets, with those that stand for all of a signal.
  static let numberCount = bucketCount + signalCount
  /// A level beneath one node has 32 nodes, beneath none as many as there are topmost ones; a window has its buckets.
  static let childrenMax = bucketCount

  private enum Tag: UInt8 {
    case compare = 1
    case expand
    case list
    case pull
    case push
    case same = 16
    case nodes
    case buckets
    case series
    case payload
    case stored
  }

  package var bytes: [UInt8] {
    var writer = ByteWriter(reserving: 128)
    writer.append(MessageKind.repair.rawValue)
    writer.append(Self.version)
    switch body {
    case .question(let question): write(question, to: &writer)
    case .reply(let reply, let isReady): write(reply, isReady, to: &writer)
    }
    return writer.bytes
  }

  private func writeHead(_ tag: Tag, to writer: inout ByteWriter) {
    writer.append(tag.rawValue)
    writer.append(exchange)
    writer.append(number)
    writer.append(slot)
    writer.append(epoch)
    writer.append(windows)
    writer.append(identity.bits)
  }

  private func write(_ question: Question, to writer: inout ByteWriter) {
    switch question {
    case .compare(let digest):
      writeHead(.compare, to: &writer)
      digest.write(to: &writer)
    case .expand(let node):
      writeHead(.expand, to: &writer)
      writer.append(node.level)
      writer.append(node.index)
    case .list(let window, let bucket):
      writeHead(.list, to: &writer)
      writer.append(window)
      writer.append(bucket)
    case .pull(let window, let bucket, let request):
      writeHead(.pull, to: &writer)
      writer.append(window)
      writer.append(bucket)
      Self.write(request, to: &writer)
    case .push(let payload):
      writeHead(.push, to: &writer)
      writer.appendPrefixed(bytes: payload)
    }
  }

  private func write(_ reply: Reply, _ isReady: Bool, to writer: inout ByteWriter) {
    func head(_ tag: Tag) {
      writeHead(tag, to: &writer)
      writer.append(UInt8(isReady ? 1 : 0))
    }
    func append(_ children: [Child]) {
      writer.appendVarint(UInt64(children.count))
      for child in children {
        writer.append(child.index)
        child.digest.write(to: &writer)
      }
    }
    switch reply {
    case .same: head(.same)
    case .stored: head(.stored)
    case .nodes(let level, let children):
      head(.nodes)
      writer.append(level)
      append(children)
    case .buckets(let children):
      head(.buckets)
      append(children)
    case .series(let series):
      head(.series)
      writer.appendVarint(UInt64(series.count))
      for one in series {
        writer.append(one.id)
        one.digest.write(to: &writer)
      }
    case .payload(let payload, let rest):
      head(.payload)
      writer.appendPrefixed(bytes: payload)
      writer.append(UInt8(rest == nil ? 0 : 1))
      if let rest { Self.write(rest, to: &writer) }
    }
  }

  private static func write(_ request: SlotExport.Request, to writer: inout ByteWriter) {
    if case .share = request.selection { return writer.append(UInt8(2)) }
    writer.append(UInt8(request.position == nil ? 0 : 1))
    if let position = request.position {
      writer.append(position.section)
      writer.append(position.time)
      writer.append(position.passed)
    }
    writer.appendVarint(UInt64(request.keys.count))
    for key in request.keys { writer.append(key) }
  }

  package init(_ bytes: [UInt8]) throws(MalformedBytes) {
    self = try bytes.withReader { (reader) throws(MalformedBytes) in try Self.read(&reader) }
  }

  private static func read(_ reader: inout ByteReader) throws(MalformedBytes) -> RepairMessage {
    guard try reader.read(UInt8.self) == MessageKind.repair.rawValue else { throw .invalid("not a repair message") }
    guard try reader.read(UInt8.self) == version else {
      throw .invalid("a version of repair messages that is not known")
    }
    guard let tag = Tag(rawValue: try reader.read()) else { throw .invalid("an unknown repair message") }
    let (exchange, number) = (try reader.read(UInt64.self), try reader.read(UInt32.self))
    let (slot, epoch) = (try reader.read(UInt16.self), try reader.read(UInt64.self))
    let windows = try reader.readWindows()
    let identity = NodeIdentity(try reader.readHash())
    let body = try body(tag, &reader)
    try reader.expectEnd()
    return RepairMessage(
      exchange: exchange, number: number, slot: slot, epoch: epoch, windows: windows, identity: identity, body: body)
  }

  private static func body(_ tag: Tag, _ reader: inout ByteReader) throws(MalformedBytes) -> Body {
    switch tag {
    case .compare: return .question(.compare(try RangeDigest(from: &reader)))
    case .expand:
      let (level, index) = (try reader.read(UInt8.self), try reader.read(Int64.self))
      guard let node = TreeNode(level: level, index: index) else { throw .invalid("a node above all others") }
      return .question(.expand(node))
    case .list:
      let (window, bucket) = (try reader.read(Int64.self), try reader.read(UInt8.self))
      guard Int(bucket) < numberCount else { throw .invalid("a bucket that there is not") }
      return .question(.list(window: window, bucket: bucket))
    case .pull:
      let (window, bucket) = (try reader.read(Int64.self), try reader.read(UInt8.self))
      guard Int(bucket) < numberCount else { throw .invalid("a bucket that there is not") }
      return .question(.pull(window: window, bucket: bucket, try request(&reader, of: Bucket(bucket).share)))
    case .push: return .question(.push(payload: try reader.readBytes(max: payloadMax)))
    case .same, .nodes, .buckets, .series, .payload, .stored:
      let isReady = try flag(&reader)
      return .reply(try reply(tag, &reader), isReady: isReady)
    }
  }

  private static func flag(_ reader: inout ByteReader) throws(MalformedBytes) -> Bool {
    let flag: UInt8 = try reader.read()
    guard flag < 2 else { throw .invalid("neither true nor false") }
    return flag == 1
  }

  /// `share` is what may be asked for as a whole; nil where keys have to be named.
  private static func request(
    _ reader: inout ByteReader, of share: KeyShare?
  ) throws(MalformedBytes) -> SlotExport.Request {
    var position: SlotExport.Position?
    switch try reader.read(UInt8.self) {
    case 0: break
    case 1:
      let (section, time) = (try reader.read(UInt8.self), try reader.read(Int64.self))
      position = SlotExport.Position(section: section, time: time, passed: try reader.read())
    case 2:
      guard let share else { throw .invalid("a rest without its series") }
      return SlotExport.Request(share)
    default: throw .invalid("rows that are asked for in an unknown way")
    }
    let count = try reader.readCount(max: seriesMax, elementBytes: Hash128.byteCount)
    var keys: [Hash128] = []
    keys.reserveCapacity(count)
    for _ in 0..<count { keys.append(try reader.readHash()) }
    return SlotExport.Request(keys: keys, position: position)
  }

  private static func reply(_ tag: Tag, _ reader: inout ByteReader) throws(MalformedBytes) -> Reply {
    switch tag {
    case .nodes:
      let level: UInt8 = try reader.read()
      guard level <= TreeNode.topLevel else { throw .invalid("a level above all others") }
      return .nodes(level: level, try children(&reader))
    case .buckets: return .buckets(try children(&reader))
    case .series:
      let count = try reader.readCount(max: seriesMax, elementBytes: Hash128.byteCount + RangeDigest.byteCount)
      var series: [Series] = []
      series.reserveCapacity(count)
      for _ in 0..<count {
        series.append(Series(id: try reader.readHash(), digest: try RangeDigest(from: &reader)))
      }
      return .series(series)
    case .payload:
      let payload = try reader.readBytes(max: payloadMax)
      return .payload(payload, rest: try flag(&reader) ? try request(&reader, of: nil) : nil)
    case .stored: return .stored
    default: return .same
    }
  }

  private static func children(_ reader: inout ByteReader) throws(MalformedBytes) -> [Child] {
    let count = try reader.readCount(max: childrenMax, elementBytes: 8 + RangeDigest.byteCount)
    var children: [Child] = []
    for _ in 0..<count {
      let child = Child(index: try reader.read(), digest: try RangeDigest(from: &reader))
      if let last = children.last, last.index >= child.index { throw .invalid("digests out of order") }
      children.append(child)
    }
    return children
  }
}
