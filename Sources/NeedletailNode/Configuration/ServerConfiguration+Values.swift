import NeedletailBlocks

extension ServerConfiguration {
  /// Reads one setting from text.
  ///
  /// Returns what is wrong and what to write instead, or nil.
  mutating func set(_ setting: Setting, to text: String) -> String? {
    switch setting {
    case .data:
      guard !text.isEmpty, !text.utf8.contains(0) else { return "name a folder" }
      dataFolder = text
    case .listen:
      return Self.assign(
        ListenAddress(text), to: &listen,
        ListenAddress.advice(for: text) + "write HOST:PORT, for example 127.0.0.1:7070")
    case .otlpHTTP: return Self.assign(address: text, to: &otlpHTTP, example: "127.0.0.1:4318")
    case .otlpGRPC: return Self.assign(address: text, to: &otlpGRPC, example: "127.0.0.1:4317")
    case .peerListen: return Self.assign(address: text, to: &peerListen, example: "127.0.0.1:7071")
    case .node, .role, .peerAdvertise, .seeds, .zone, .weight, .replication, .writeQuorum, .readQuorum, .peerCA,
      .peerClientAuth:
      return setMember(setting, to: text)
    case .etcd, .etcdPrefix, .etcdCA, .etcdCertificate, .etcdKey, .etcdUser, .etcdPasswordFile:
      return etcd.set(setting, to: text)
    case .retention:
      return Self.assign(Self.retention(text), to: &retention, "write a duration such as 30d, or forever")
    case .retentionBytes:
      if text == "off" { retentionBytes = nil; return nil }
      return Self.assign(
        Self.size(text, in: (1 << 20)...(1 << 60)).map(Optional.some), to: &retentionBytes,
        "write a size of 1MiB or more, such as 500GiB, or off")
    case .outOfOrderWindow:
      if text == "off" { outOfOrderWindow = nil; return nil }
      return Self.assign(
        Self.span(text).flatMap { $0.milliseconds >= 60_000 ? .some(.some($0)) : nil }, to: &outOfOrderWindow,
        "write a duration of 1m or more, such as 1h, or off for as old as is kept")
    case .durability:
      return Self.assign(Self.durability(text), to: &durability, "write fsync, interval, or interval:5s")
    case .insecure: return Self.assign(Self.flag(text), to: &isInsecure, "write true or false")
    case .tlsCertificate: tlsCertificate = text.isEmpty ? nil : text
    case .tlsKey: tlsKey = text.isEmpty ? nil : text
    case .tokenFile: tokenFile = text.isEmpty ? nil : text
    case .bodyBytesMax:
      return Self.assign(Self.size(text, in: 1024...(1 << 30)), to: &bodyBytesMax, "write a size from 1KiB to 1GiB")
    case .tenantBytes, .tenantSamples, .tenantLogRecords, .tenantSpans, .tenantNewSeries, .tenantRateStrategy,
      .tenantSeries:
      return setTenants(setting, to: text)
    case .queryTimeout:
      return Self.assign(Self.span(text), to: &queryTimeout, "write a duration of 1ms or more, for example 2m")
    case .querySamplesMax: return Self.assign(Self.count(text), to: &querySamplesMax, "write a number of 1 or more")
    case .queryConcurrency:
      return Self.assign(Self.count(text, max: 1024), to: &queryConcurrency, "write a number from 1 to 1024")
    case .queryQueueMax:
      return Self.assign(Self.count(text, min: 0, max: 100_000), to: &queryQueueMax, "write a number up to 100000")
    case .queryDelayedNameRemoval:
      return Self.assign(Self.flag(text), to: &queryDelayedNameRemoval, "write true or false")
    case .queryStartTimestamps:
      return Self.assign(Self.flag(text), to: &queryStartTimestamps, "write true or false")
    case .flushInterval:
      return Self.assign(Self.span(text), to: &flushInterval, "write a duration of 1ms or more, for example 15m")
    case .flushBytes:
      return Self.assign(Self.size(text, in: (1 << 20)...(1 << 40)), to: &flushBytes, "write a size of 1MiB or more")
    case .mergeBytesPerSecond:
      if text == "off" { mergeBytesPerSecond = nil; return nil }
      return Self.assign(
        Self.size(text, in: (1 << 20)...(1 << 40)).map(Optional.some), to: &mergeBytesPerSecond,
        "write a size of 1MiB or more, such as 64MiB, or off")
    case .mergeCPUPercent:
      return Self.assign(Self.count(text, max: 100), to: &mergeCPUPercent, "write a number from 1 to 100")
    case .selfInterval:
      if text == "off" { selfInterval = nil; return nil }
      return Self.assign(
        Self.span(text).map(Optional.some), to: &selfInterval, "write a duration such as 15s, or off")
    case .hugePages: return Self.assign(["try": true, "off": false][text], to: &triesHugePages, "write try or off")
    case .logLevel:
      guard ["trace", "debug", "info", "notice", "warning", "error", "critical"].contains(text) else {
        return "write trace, debug, info, notice, warning, error or critical"
      }
      logLevel = text
    }
    return nil
  }

  /// The text of a setting's effective value, such that `set` reads it back.
  func text(of setting: Setting) -> String {
    switch setting {
    case .data: dataFolder
    case .listen: listen.description
    case .otlpHTTP: otlpHTTP?.description ?? "off"
    case .otlpGRPC: otlpGRPC?.description ?? "off"
    case .peerListen: peerListen?.description ?? "off"
    case .node, .role, .peerAdvertise, .seeds, .zone, .weight, .replication, .writeQuorum, .readQuorum, .peerCA,
      .peerClientAuth:
      memberText(of: setting)
    case .etcd, .etcdPrefix, .etcdCA, .etcdCertificate, .etcdKey, .etcdUser, .etcdPasswordFile:
      etcd.text(of: setting)
    case .retention: retention.description
    case .retentionBytes: retentionBytes.map { ByteSize.text($0) } ?? "off"
    case .outOfOrderWindow: outOfOrderWindow?.description ?? "off"
    case .durability:
      switch durability {
      case .fsync: "fsync"
      case .interval(let seconds): "interval:\(seconds)s"
      }
    case .insecure: isInsecure ? "true" : "false"
    case .tlsCertificate: tlsCertificate ?? ""
    case .tlsKey: tlsKey ?? ""
    case .tokenFile: tokenFile ?? ""
    case .bodyBytesMax: ByteSize.text(bodyBytesMax)
    case .tenantBytes, .tenantSamples, .tenantLogRecords, .tenantSpans, .tenantNewSeries, .tenantRateStrategy,
      .tenantSeries:
      tenantsText(of: setting)
    case .queryTimeout: queryTimeout.description
    case .querySamplesMax: String(querySamplesMax)
    case .queryConcurrency: String(queryConcurrency)
    case .queryQueueMax: String(queryQueueMax)
    case .queryDelayedNameRemoval: queryDelayedNameRemoval ? "true" : "false"
    case .queryStartTimestamps: queryStartTimestamps ? "true" : "false"
    case .flushInterval: flushInterval.description
    case .flushBytes: ByteSize.text(flushBytes)
    case .mergeBytesPerSecond: mergeBytesPerSecond.map { ByteSize.text($0) } ?? "off"
    case .mergeCPUPercent: String(mergeCPUPercent)
    case .selfInterval: selfInterval?.description ?? "off"
    case .hugePages: triesHugePages ? "try" : "off"
    case .logLevel: logLevel
    }
  }

  static func assign<Value>(_ parsed: Value?, to place: inout Value, _ advice: String) -> String? {
    guard let parsed else { return advice }
    place = parsed
    return nil
  }

  private static func assign(address text: String, to place: inout ListenAddress?, example: String) -> String? {
    if text == "off" {
      place = nil
      return nil
    }
    guard let address = ListenAddress(text) else {
      return ListenAddress.advice(for: text) + "write HOST:PORT, for example \(example), or off"
    }
    place = address
    return nil
  }

  private static func retention(_ text: String) -> Retention? {
    if text == "forever" { return .forever }
    return span(text).map { .span($0) }
  }

  private static func durability(_ text: String) -> Durability? {
    if text == "fsync" { return .fsync }
    if text == "interval" { return .interval(seconds: 1) }
    guard text.hasPrefix("interval:"), let span = TimeSpan(text.dropFirst(9)), span.milliseconds % 1000 == 0,
      (1...3600).contains(span.milliseconds / 1000)
    else { return nil }
    return .interval(seconds: Int(span.milliseconds / 1000))
  }

  private static func flag(_ text: String) -> Bool? {
    switch text {
    case "true", "yes", "on", "1", "": true
    case "false", "no", "off", "0": false
    default: nil
    }
  }

  static func size(_ text: String, in range: ClosedRange<Int>) -> Int? {
    ByteSize.parse(text).flatMap { range.contains($0) ? $0 : nil }
  }

  private static func span(_ text: String) -> TimeSpan? {
    TimeSpan(text).flatMap { $0.milliseconds > 0 ? $0 : nil }
  }

  static func count(_ text: String, min: Int = 1, max: Int = .max) -> Int? {
    Int(text).flatMap { min <= $0 && $0 <= max ? $0 : nil }
  }
}

extension ServerConfiguration {
  /// What does not fit together; `hostProblem` tells why a host has no address.
  func contradictions(_ hostProblem: (String) -> String?) -> [String] {
    var problems: [String] = []
    if (tlsCertificate == nil) != (tlsKey == nil) {
      let (present, missing): (Setting, Setting) =
        tlsCertificate == nil ? (.tlsKey, .tlsCertificate) : (.tlsCertificate, .tlsKey)
      problems.append(
        "\(present.rawValue) is set (\(origin(of: present))) but \(missing.rawValue) is not; TLS needs both")
    }
    problems += memberContradictions()
    let isProtected = tlsCertificate != nil && tlsKey != nil && tokenFile != nil
    guard !isInsecure, !isProtected else { return problems }
    let listeners: [(Setting, ListenAddress?)] = [
      (.listen, listen), (.otlpHTTP, otlpHTTP), (.otlpGRPC, otlpGRPC), (.peerListen, peerListen),
    ]
    for (setting, address) in listeners {
      guard let address, !address.isLoopback else { continue }
      if let problem = hostProblem(address.host) {
        problems.append(
          "\(setting.rawValue) = \(address) (\(origin(of: setting))): the host \(address.host) is not known: \(problem)"
        )
        continue
      }
      problems.append(
        "\(setting.rawValue) = \(address) (\(origin(of: setting))) lets other machines read and write all data; "
          + "set tls-certificate, tls-key and token-file, or use 127.0.0.1, or accept the risk with --insecure")
    }
    return problems
  }

  /// The effective settings as YAML, each with its origin as a comment.
  ///
  /// What it prints can be used as a configuration file.
  package func rendered() -> String {
    let lines = Setting.allCases.map { setting in
      (setting: "\(setting.rawValue): \(Self.quoted(text(of: setting)))", origin: origin(of: setting).description)
    }
    let width = min(60, lines.map(\.setting.count).max() ?? 0)
    return lines.map { line in
      line.setting + String(repeating: " ", count: max(0, width - line.setting.count)) + "  # \(line.origin)\n"
    }.joined()
  }

  /// A YAML scalar that is read back as the same text.
  private static func quoted(_ text: String) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": escaped += "\\\""
      case "\\": escaped += "\\\\"
      case _ where scalar.value < 32 || scalar.value == 127:
        let digits = String(scalar.value, radix: 16)
        escaped += "\\x" + (digits.count == 1 ? "0" : "") + digits
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return "\"\(escaped)\""
  }
}
