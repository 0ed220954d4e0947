import NeedletailWire

/// What a client says of the codings that it takes (RFC 9110 section 12.5.3).
enum AcceptedCoding {
  /// The coding that a client wants most of those that there are, by the value of `Accept-Encoding`; nil for none.
  ///
  /// Of two that it wants as much the better one is taken.
  static func best(_ header: String?) -> BodyCompressor.Coding? {
    guard let header else { return nil }
    var qualities: [String: Double] = [:]
    for entry in header.lowercased().split(separator: ",").prefix(32) {
      let parts = entry.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
      guard let name = parts.first, !name.isEmpty else { continue }
      let quality = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 } ?? 1
      qualities[name == "x-gzip" ? "gzip" : name] = quality
    }
    func quality(_ name: String) -> Double { qualities[name] ?? qualities["*"] ?? 0 }
    // One that is wanted less than the bytes as they are is not wanted.
    let floor = qualities["identity"] ?? 0
    var best: BodyCompressor.Coding?
    for coding in BodyCompressor.Coding.allCases where quality(coding.rawValue) > 0 {
      guard quality(coding.rawValue) >= floor else { continue }
      if let known = best, quality(known.rawValue) >= quality(coding.rawValue) { continue }
      best = coding
    }
    return best
  }
}
