import NeedletailOTLP

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the telemetry of this process is about (semantic conventions, "Resource").
enum Resource {
  /// Writes the attributes of the `Resource`: the configured ones, over those that are found out.
  static func attributes(
    _ configuration: Needletail.Configuration, _ identifiers: IdentifierGenerator
  ) -> (inout ProtobufWriter) -> Void {
    let serviceName = configuration.serviceName.isEmpty ? "unknown_service" : configuration.serviceName
    var texts: [String: String] = [
      "telemetry.sdk.name": "needletail", "telemetry.sdk.language": "swift",
      "telemetry.sdk.version": Needletail.version, "service.instance.id": instanceID(identifiers),
    ]
    if let host = hostName() { texts["host.name"] = host }
    texts.merge(configuration.resourceAttributes) { $1 }
    texts["service.name"] = serviceName
    let isProcessNamed = texts["process.pid"] != nil
    return { writer in
      for (name, value) in texts.sorted(by: { $0.key < $1.key }) { writer.attribute(1, name, value) }
      if !isProcessNamed { writer.attribute(1, "process.pid", Int64(getpid())) }
    }
  }

  /// A random UUID (version 4, RFC 9562).
  private static func instanceID(_ identifiers: IdentifierGenerator) -> String {
    let random = identifiers.nextTraceID()
    var digits: [UInt8] = []
    Hexadecimal.append(random.high & ~0xf000 | 0x4000, to: &digits)
    Hexadecimal.append(random.low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000, to: &digits)
    for position in [20, 16, 12, 8] { digits.insert(UInt8(ascii: "-"), at: position) }
    return String(decoding: digits, as: UTF8.self)
  }

  private static func hostName() -> String? {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return nil }
    let name = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return name.isEmpty ? nil : name
  }
}
