import Foundation

/// Programs that the tests need: installed by .ci/peers.
package enum OutsideProgram {
  /// Whether a program is on the PATH.
  package static func isInstalled(_ name: String) -> Bool {
    (try? RunningProcess.run("sh", ["-c", "command -v \(name)"]).status) == 0
  }

  /// Whether this is continuous integration, where nothing is left out.
  package static var isCI: Bool { ProcessInfo.processInfo.environment["CI"] == "true" }

  /// Whether a test may run: on a developer's machine it is left out where the program is missing; in CI it runs, and fails.
  package static func isExpected(_ names: String...) -> Bool { isCI || names.allSatisfy(isInstalled) }

  /// The same of the OpenTelemetry SDK for Python.
  package static var isOpenTelemetryPythonExpected: Bool {
    isCI
      || (try? RunningProcess.run(
        "python3", ["-c", "import opentelemetry.sdk, opentelemetry.exporter.otlp"],
        environment: ["PYTHONPATH": pythonPath]
      ).status) == 0
  }

  /// The folder of the executables that were built with these tests.
  package static let buildFolder: URL = {
    var url = URL(filePath: #filePath)
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url.appending(path: ".build/debug")
  }()

  /// The executable under test: the one that was built with the tests, or the one that `NEEDLETAIL_EXECUTABLE` names.
  package static var needletail: String {
    ProcessInfo.processInfo.environment["NEEDLETAIL_EXECUTABLE"] ?? buildFolder.appending(path: "needletail").path
  }

  /// Where .ci/peers puts the Python packages.
  package static var pythonPath: String {
    buildFolder.deletingLastPathComponent().appending(path: "python").path
  }
}
