import Foundation

/// A server under measurement: how it is started and asked.
package struct Contestant: Sendable {
  package let name: String
  package let executable: String
  package let arguments: @Sendable (_ folder: String, _ port: Int) -> [String]
  package var writePath = "/api/v1/write"
  package var readyPath = "/-/ready"

  /// A server by its name, how it is started, and the path that answers 200 once it may be asked.
  package init(
    name: String, executable: String, arguments: @escaping @Sendable (_ folder: String, _ port: Int) -> [String],
    readyPath: String = "/-/ready"
  ) {
    (self.name, self.executable, self.arguments, self.readyPath) = (name, executable, arguments, readyPath)
  }

  package var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: executable) }

  /// Needletail as it comes, but for the doors of OpenTelemetry, which the peers do not have.
  package static func needletail(_ executable: String) -> Contestant {
    Contestant(name: "needletail", executable: executable) { folder, port in
      [
        "serve", "--data", folder + "/data", "--listen", "127.0.0.1:\(port)", "--otlp-http", "off", "--otlp-grpc",
        "off",
      ]
    }
  }

  /// Prometheus as Debian packages it, with its receiver on and nothing to scrape; native histograms it only takes where it is told to.
  package static func prometheus(nativeHistograms: Bool = false) -> Contestant {
    Contestant(name: "prometheus", executable: "/usr/bin/prometheus") { folder, port in
      [
        "--web.enable-remote-write-receiver", "--web.enable-admin-api", "--config.file=\(folder)/prometheus.yml",
        "--storage.tsdb.path=\(folder)/data", "--web.listen-address=127.0.0.1:\(port)", "--log.level=error",
      ] + (nativeHistograms ? ["--enable-feature=native-histograms"] : [])
    }
  }

  /// VictoriaMetrics as Debian packages it: limits of answers raised so that a million series can be counted, and the newest samples not
  /// hidden, which the others do not do either.
  package static func victoriaMetrics(cache: Bool = true) -> Contestant {
    Contestant(name: "victoria-metrics", executable: "/usr/bin/victoria-metrics") { folder, port in
      [
        "-storageDataPath=\(folder)/data", "-httpListenAddr=127.0.0.1:\(port)", "-loggerLevel=ERROR",
        "-retentionPeriod=100y", "-search.latencyOffset=0s", "-search.maxUniqueTimeseries=5000000",
        "-search.maxSeries=5000000", "-search.maxQueryDuration=120s",
      ] + (cache ? [] : ["-search.disableCache"])
    }
  }
}
