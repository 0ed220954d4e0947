/// What a body is written in, by its content type.
package enum BodyFormat: Sendable {
  case protobuf
  case json

  /// What ``ofOTLP(_:)`` takes, for who sent something else.
  static let otlpTypes = "application/x-protobuf or application/json"

  /// What ``ofRemoteWrite(_:)`` takes, for who sent something else.
  static let remoteWriteTypes = "application/x-protobuf, of remote write 1.0 (proto=prometheus.WriteRequest)"

  /// The format of an OTLP body; protobuf where the sender does not say, nil for what is neither.
  package static func ofOTLP(_ contentType: String?) -> BodyFormat? {
    switch mediaType(contentType) {
    case "application/x-protobuf", "application/protobuf", "": .protobuf
    case "application/json": .json
    default: nil
    }
  }

  /// The format of a remote write body; nil for version 2 and for what is not protobuf.
  package static func ofRemoteWrite(_ contentType: String?) -> BodyFormat? {
    guard ["application/x-protobuf", ""].contains(mediaType(contentType)) else { return nil }
    let parameters = (contentType ?? "").split(separator: ";").dropFirst().map { $0.filter { $0 != " " } }
    guard let message = parameters.first(where: { $0.hasPrefix("proto=") }) else { return .protobuf }
    return message == "proto=prometheus.WriteRequest" ? .protobuf : nil
  }

  private static func mediaType(_ contentType: String?) -> String {
    (contentType ?? "").prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
  }
}
