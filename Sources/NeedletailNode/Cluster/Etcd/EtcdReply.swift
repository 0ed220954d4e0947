import NeedletailOTLP

/// What is wanted of an answer of etcd's JSON gateway; what else is in it is passed over.
struct EtcdReply: Equatable {
  struct KeyValue: Equatable {
    var key: [UInt8] = []
    var value: [UInt8] = []
    var revision: Int64 = 0
  }

  /// More than any request asks for.
  private static let valuesMax = 4096

  var values: [KeyValue] = []
  var hasSucceeded = false
  var lease: Int64?
  var seconds: Int64?
  var token: String?
  /// What went wrong, in etcd's words, and gRPC's number for it.
  var message: String?
  var code: Int64?

  /// Reads the first object of the bytes: a stream, which keeps a lease alive, has one a line.
  init(_ bytes: [UInt8]) throws(JSONError) {
    var reader = Reader()
    let result = bytes.withUnsafeBytes { raw -> Result<EtcdReply, JSONError> in
      var parser = JSONPullParser(raw)
      return Result { () throws(JSONError) in
        try reader.object(&parser)
        return reader.reply
      }
    }
    self = try result.get()
  }

  private init() {}

  private struct Reader {
    var reply = EtcdReply()
    var text: [UInt8] = []

    mutating func object(_ parser: inout JSONPullParser) throws(JSONError) {
      try parser.enterObject()
      var (isFirst, key): (Bool, [UInt8]) = (true, [])
      while try parser.nextKey(isFirst: isFirst, into: &key) {
        isFirst = false
        try member(String(decoding: key, as: UTF8.self), &parser)
      }
    }

    private mutating func member(_ key: String, _ parser: inout JSONPullParser) throws(JSONError) {
      switch key {
      case "responses": try objects(&parser)
      case "kvs": try keyValues(&parser)
      case "result", "response_range", "response_put", "response_delete_range": try object(&parser)
      case "error", "message":
        if try parser.peek() == UInt8(ascii: "{") { return try object(&parser) }
        reply.message = try string(&parser)
      case "succeeded": reply.hasSucceeded = try parser.readBool()
      case "ID": reply.lease = try number(&parser)
      case "TTL": reply.seconds = try number(&parser)
      case "code", "grpc_code": reply.code = try number(&parser)
      case "token": reply.token = try string(&parser)
      default: try parser.skipValue(scratch: &text)
      }
    }

    private mutating func objects(_ parser: inout JSONPullParser) throws(JSONError) {
      try parser.enterArray()
      var isFirst = true
      while try parser.nextElement(isFirst: isFirst) {
        isFirst = false
        try object(&parser)
      }
    }

    private mutating func keyValues(_ parser: inout JSONPullParser) throws(JSONError) {
      try parser.enterArray()
      var isFirst = true
      while try parser.nextElement(isFirst: isFirst) {
        isFirst = false
        guard reply.values.count < EtcdReply.valuesMax else { throw parser.failure("more values than were asked for") }
        reply.values.append(try keyValue(&parser))
      }
    }

    private mutating func keyValue(_ parser: inout JSONPullParser) throws(JSONError) -> KeyValue {
      var value = KeyValue()
      try parser.enterObject()
      var (isFirst, key): (Bool, [UInt8]) = (true, [])
      while try parser.nextKey(isFirst: isFirst, into: &key) {
        isFirst = false
        switch String(decoding: key, as: UTF8.self) {
        case "key": value.key = try bytes(&parser)
        case "value": value.value = try bytes(&parser)
        case "mod_revision": value.revision = try number(&parser)
        default: try parser.skipValue(scratch: &text)
        }
      }
      return value
    }

    private mutating func string(_ parser: inout JSONPullParser) throws(JSONError) -> String {
      try parser.readString(into: &text)
      return String(decoding: text, as: UTF8.self)
    }

    /// 64-bit numbers are text in protobuf's JSON form.
    private mutating func number(_ parser: inout JSONPullParser) throws(JSONError) -> Int64 {
      if try parser.peek() == UInt8(ascii: "\"") {
        try parser.readString(into: &text)
      } else {
        try parser.readNumber(into: &text)
      }
      guard let number = Int64(String(decoding: text, as: UTF8.self)) else {
        throw parser.failure("expected a whole number")
      }
      return number
    }

    private mutating func bytes(_ parser: inout JSONPullParser) throws(JSONError) -> [UInt8] {
      try parser.readString(into: &text)
      guard let bytes = Base64.decode(text) else { throw parser.failure("expected base64") }
      return bytes
    }
  }
}

/// Base64 as protobuf's JSON form writes bytes (RFC 4648, section 4).
enum Base64 {
  /// The bytes of a text with padding; nil where it is none.
  static func decode(_ text: [UInt8]) -> [UInt8]? {
    guard text.count % 4 == 0 else { return nil }
    let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
    var result: [UInt8] = []
    result.reserveCapacity(text.count / 4 * 3)
    var (bits, count): (UInt32, Int) = (0, 0)
    for byte in text.dropLast(padding) {
      guard let value = value(byte) else { return nil }
      bits = (bits << 6 | UInt32(value)) & 0xffff
      count += 6
      guard count >= 8 else { continue }
      count -= 8
      result.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
    }
    return result
  }

  private static func value(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): byte - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
