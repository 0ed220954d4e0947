import Logging
import NeedletailEnvironment

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Writes log entries as one line of `key=value` each, to standard error.
///
/// What came from outside cannot forge a line or steer a terminal: control characters are escaped.
package struct LogfmtHandler: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var logLevel: Logger.Level
  package var metadataProvider: Logger.MetadataProvider?
  private let label: String
  private let write: @Sendable ([UInt8]) -> Void
  private let clock: any WallClock

  /// A handler for the logger `label`; `write` takes whole lines.
  package init(
    label: String, level: Logger.Level = .info, clock: any WallClock = SystemClock(),
    write: @escaping @Sendable ([UInt8]) -> Void = Self.writeToStandardError
  ) {
    self.label = label
    self.write = write
    self.clock = clock
    logLevel = level
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let message = event.message
    let level = event.level
    let explicit = event.metadata
    var line = "time=" + Timestamp.rfc3339(milliseconds: clock.wallNanoseconds() / 1_000_000)
    line += " level=\(level.rawValue) logger=\(Self.quoted(label)) message=\(Self.quoted(message.description))"
    var fields = metadataProvider?.get() ?? [:]
    fields.merge(metadata) { $1 }
    if let explicit { fields.merge(explicit) { $1 } }
    for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
      line += " \(Self.key(key))=\(Self.quoted("\(value)"))"
    }
    line += "\n"
    write(Array(line.utf8))
  }

  private static func key(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { isPlain($0) ? $0 : "_" }))
  }

  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII && scalar.value > 32 && scalar.value != 127 && scalar != "\"" && scalar != "=" && scalar != "\\"
  }

  /// The text as it is where it is plain, else in quotes with everything escaped that could end a line or steer a
  /// terminal.
  static func quoted(_ text: String) -> String {
    if !text.isEmpty, text.unicodeScalars.allSatisfy(isPlain) { return text }
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      default:
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
          result += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }

  /// One `write` for each line, so that lines of several threads do not mix.
  package static let writeToStandardError: @Sendable ([UInt8]) -> Void = { line in
    var rest = line[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { writeBytes($0) }
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }
}

private func writeBytes(_ bytes: UnsafeRawBufferPointer) -> Int {
  while true {
    let written = write(2, bytes.baseAddress, bytes.count)
    if written >= 0 || errno != EINTR { return written }
  }
}
