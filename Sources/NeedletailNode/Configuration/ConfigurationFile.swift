import Yams

/// The YAML file of settings: a flat mapping of names to scalars.
enum ConfigurationFile {
  struct Entry: Sendable {
    var setting: Setting
    var value: String
    var line: Int
  }

  /// Reads the text of the file at `path`.
  ///
  /// Every key that is not a setting is a problem of its own.
  static func parse(_ text: String, path: String) throws(ConfigurationError) -> [Entry] {
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw ConfigurationError(["\(path) is no valid YAML: \(summary(error))"])
    }
    guard let root, root != Node("", Tag(.null)) else { return [] }
    if let scalar = root.scalar, scalar.string.isEmpty { return [] }
    guard let mapping = root.mapping else {
      throw ConfigurationError(["\(path) must be a mapping of settings, for example \"listen: 127.0.0.1:7070\""])
    }
    var entries: [Entry] = []
    var problems: [String] = []
    for (key, value) in mapping {
      let line = key.mark?.line ?? 0
      let name = key.scalar?.string ?? "?"
      guard let setting = Setting(rawValue: name) else {
        let hint = Setting.nearest(to: name).map { "did you mean \"\($0.rawValue)\"?" }
        problems.append(
          "\(path) line \(line): unknown setting \"\(name)\"; "
            + (hint ?? "the settings are " + Setting.allCases.map(\.rawValue).joined(separator: ", ")))
        continue
      }
      guard let scalar = value.scalar else {
        problems.append("\(path) line \(line): \"\(name)\" must be a single value, not a list or a mapping")
        continue
      }
      entries.append(Entry(setting: setting, value: scalar.string, line: line))
    }
    guard problems.isEmpty else { throw ConfigurationError(problems) }
    return entries
  }

  private static func summary(_ error: any Error) -> String {
    String("\(error)".prefix(300)).split(separator: "\n").joined(separator: " ")
  }
}
