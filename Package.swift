// swift-tools-version: 6.2
import Foundation
import PackageDescription

// The house: every target is a room with one charter (ARCHITECTURE.md), and imports only from the floors below it.
// `NEEDLETAIL_ONLY=NeedletailSeries swift test` builds that target, what it stands on and its tests, and nothing else;
// `NEEDLETAIL_ONLY=release swift build -c release` builds the executables, both at once.

/// Fuzzers (`make fuzz`) see all of the rooms from inside, compiled so that libFuzzer can follow and AddressSanitizer check
/// them. These flags bar a package from being a dependency, so they are there only then.
let fuzzing = ProcessInfo.processInfo.environment["NEEDLETAIL_FUZZ"] != nil

/// `make tsan` builds with locks that tell ThreadSanitizer of themselves (`Lock` in NeedletailEnvironment).
let watchingThreads = ProcessInfo.processInfo.environment["NEEDLETAIL_TSAN"] != nil

let settings: [SwiftSetting] =
  [.enableUpcomingFeature("ExistentialAny"), .treatAllWarnings(as: .error)]
  + (watchingThreads ? [.define("NEEDLETAIL_TSAN")] : [])
  + (fuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])] : [])

/// A room: its sources in Sources/NAME, its tests in Tests/NAMETests.
func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// The tests of a room; `data` are folders of files that the tests read by their path.
func tests(_ name: String, _ dependencies: [Target.Dependency], data: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: data, swiftSettings: settings)
}

let hummingbird: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "CoreMetrics", package: "swift-metrics")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let yaml: Target.Dependency = .product(name: "Yams", package: "Yams")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let nioHTTPTypes: Target.Dependency = .product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let http2Types: Target.Dependency = .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras")

let libraries: [Target] = [
  .systemLibrary(
    name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
  .systemLibrary(
    name: "CSnappy", pkgConfig: "snappy", providers: [.apt(["libsnappy-dev"]), .brew(["snappy"])]),
  .systemLibrary(
    name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"]), .brew(["xxhash"])]),
  .systemLibrary(
    name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
  .systemLibrary(
    name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),
  .systemLibrary(name: "CAllocator"),
  .systemLibrary(name: "CProgramText"),
  .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
]

let sanitizers: [Target] = watchingThreads ? [.systemLibrary(name: "CThreadSanitizer")] : []

let rooms: [Target] = [
  // Floor 1
  room("NeedletailEnvironment", ["CAllocator", "CProgramText"] + (watchingThreads ? ["CThreadSanitizer"] : [])),
  room("NeedletailTelemetry", ["CXXHash", "CRE2"]),
  room("NeedletailOTLP", []),
  // Floor 2
  room(
    "NeedletailWire",
    ["NeedletailEnvironment", "NeedletailTelemetry", "NeedletailOTLP", "CSnappy", "CZstd", "CZlib", "CXXHash"]),
  room("NeedletailBlocks", ["NeedletailEnvironment", "NeedletailTelemetry", "CZstd", "CXXHash", "CSQLite"]),
  room("NeedletailQueryLanguage", ["NeedletailTelemetry"]),
  room("NeedletailCluster", ["NeedletailEnvironment", "NeedletailTelemetry"]),
  // Floor 3
  room("NeedletailSeries", ["NeedletailEnvironment", "NeedletailTelemetry", "NeedletailBlocks"]),
  room("NeedletailEvents", ["NeedletailEnvironment", "NeedletailTelemetry", "NeedletailBlocks"]),
  room("NeedletailQueryEngine", ["NeedletailEnvironment", "NeedletailTelemetry", "NeedletailQueryLanguage"]),
  // Floor 4
  room(
    "NeedletailCollector",
    ["NeedletailEnvironment", "NeedletailTelemetry", "NeedletailOTLP", "NeedletailWire", "NeedletailCluster"]),
  room("NeedletailTerminal", []),
  // Floor 5
  room(
    "NeedletailNode",
    [
      "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailOTLP", "NeedletailWire", "NeedletailBlocks",
      "NeedletailCluster", "NeedletailQueryLanguage", "NeedletailSeries", "NeedletailEvents",
      "NeedletailQueryEngine", "NeedletailCollector",
      hummingbird, httpClient, lifecycle, logging, yaml, nio, nioPosix, nioTLS, nioSSL, nioHTTP1, nioHTTP2, httpTypes,
      nioHTTPTypes, http2Types,
    ]),
  room("NeedletailDashboard", ["NeedletailTerminal", "NeedletailQueryLanguage", "NeedletailEnvironment"]),
  // Floor 6
  .executableTarget(
    name: "NeedletailCLI",
    dependencies: [
      "NeedletailNode", "NeedletailDashboard", "NeedletailTerminal", "NeedletailBlocks", "NeedletailEnvironment",
      "NeedletailEvents", "NeedletailSeries", arguments, httpClient, lifecycle, logging, nioSSL,
    ],
    swiftSettings: settings),
  // The SDK, and the demonstration shop that is written with it.
  room("Needletail", ["NeedletailOTLP", logging, metrics, tracing, lifecycle, httpClient]),
  .executableTarget(
    name: "NeedletailShop",
    dependencies: [
      "Needletail", "NeedletailEnvironment", arguments, hummingbird, httpClient, httpTypes, lifecycle, logging, metrics,
      nioPosix, tracing,
    ],
    swiftSettings: settings),
]

let testRooms: [Target] = [
  .target(
    name: "NeedletailTestSupport",
    dependencies: ["NeedletailEnvironment", "NeedletailTelemetry", "NeedletailTerminal"],
    path: "Tests/NeedletailTestSupport", swiftSettings: settings),
  .target(
    name: "NeedletailQueryGenerator", dependencies: ["NeedletailEnvironment"],
    path: "Tests/NeedletailQueryGenerator", swiftSettings: settings),
  .systemLibrary(name: "CSpawn", path: "Tests/CSpawn"),
  .target(
    name: "NeedletailProcesses", dependencies: ["CSpawn", httpClient, nio],
    path: "Tests/NeedletailProcesses", swiftSettings: settings),
  .target(
    name: "NeedletailSimulation", dependencies: ["NeedletailEnvironment"],
    path: "Tests/NeedletailSimulation", swiftSettings: settings),
  .target(
    name: "NeedletailStorageSimulation", dependencies: ["NeedletailEnvironment", "NeedletailBlocks", "CSQLite"],
    path: "Tests/NeedletailStorageSimulation", swiftSettings: settings),
  .target(
    name: "OTLPOracle", dependencies: [protobuf], path: "Tests/OTLPOracle", exclude: ["Protos", "README.md"]),
  tests("NeedletailEnvironmentTests", ["NeedletailEnvironment", "NeedletailSimulation"]),
  tests("NeedletailTelemetryTests", ["NeedletailTelemetry", "NeedletailTestSupport"]),
  tests("NeedletailOTLPTests", ["NeedletailOTLP", "OTLPOracle", "NeedletailEnvironment", "NeedletailTestSupport"]),
  tests(
    "NeedletailWireTests",
    ["NeedletailWire", "NeedletailOTLP", "NeedletailTelemetry", "OTLPOracle", "NeedletailTestSupport"]),
  tests(
    "NeedletailBlocksTests",
    [
      "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailSimulation",
      "NeedletailStorageSimulation", "NeedletailTestSupport", "CSQLite",
    ], data: ["Fixtures"]),
  tests(
    "NeedletailQueryLanguageTests",
    [
      "NeedletailQueryLanguage", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailQueryGenerator",
      "NeedletailTestSupport",
    ]),
  tests(
    "NeedletailClusterTests",
    [
      "NeedletailCluster", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailSimulation",
      "NeedletailTestSupport",
    ]),
  tests(
    "SimulationTests", ["NeedletailCluster", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailSimulation"]),
  tests(
    "NeedletailSeriesTests",
    [
      "NeedletailSeries", "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailSimulation",
      "NeedletailStorageSimulation", "NeedletailTestSupport",
    ], data: ["Fixtures"]),
  tests(
    "NeedletailEventsTests",
    [
      "NeedletailEvents", "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailSimulation",
      "NeedletailStorageSimulation", "NeedletailTestSupport",
    ]),
  tests(
    "NeedletailQueryEngineTests",
    [
      "NeedletailQueryEngine", "NeedletailQueryLanguage", "NeedletailEnvironment", "NeedletailTelemetry",
      "NeedletailTestSupport", "NeedletailQueryGenerator",
    ], data: ["Corpus"]),
  tests(
    "NeedletailCollectorTests",
    [
      "NeedletailCollector", "NeedletailCluster", "NeedletailOTLP", "NeedletailWire", "NeedletailTelemetry",
      "NeedletailEnvironment", "NeedletailSimulation", "NeedletailTestSupport",
    ]),
  tests(
    "NeedletailTerminalTests", ["NeedletailTerminal", "NeedletailEnvironment", "NeedletailTestSupport"],
    data: ["Golden"]),
  tests(
    "NeedletailNodeTests",
    [
      "NeedletailNode", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailOTLP", "NeedletailWire",
      "NeedletailCluster", "NeedletailSeries", "NeedletailQueryEngine", "NeedletailEvents", "NeedletailCollector",
      "NeedletailSimulation", "NeedletailTestSupport", "NeedletailQueryGenerator", "NeedletailProcesses", lifecycle,
      logging, nio, nioSSL, nioHTTP1, nioEmbedded, hummingbird, httpTypes, nioHTTPTypes,
    ]),
  tests(
    "NeedletailDashboardTests", ["NeedletailDashboard", "NeedletailTerminal", "NeedletailTestSupport"],
    data: ["Golden"]),
  tests(
    "NeedletailCLITests",
    ["NeedletailCLI", "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTestSupport"], data: ["Golden"]),
  tests(
    "NeedletailTests",
    [
      "Needletail", "NeedletailOTLP", "OTLPOracle", "NeedletailEnvironment", "NeedletailTestSupport", logging, metrics,
      tracing, lifecycle, nio, nioPosix,
    ]),
  tests(
    "EndToEndTests",
    [
      "NeedletailProcesses", "NeedletailTestSupport", "NeedletailQueryGenerator", "NeedletailEnvironment",
      "NeedletailTelemetry", "NeedletailOTLP", "NeedletailWire", "OTLPOracle", "CSnappy",
    ],
    data: ["Fixtures"]),
  tests("ClusterTests", ["NeedletailProcesses", "NeedletailEnvironment", nio, nioPosix]),
  tests("TidyTests", []),
]

let fuzzers: [Target] = [
  .systemLibrary(name: "CFuzzDriver", path: "Tests/Fuzzing/CFuzzDriver"),
  .executableTarget(
    name: "NeedletailFuzz",
    dependencies: [
      "CFuzzDriver", "NeedletailEnvironment", "NeedletailTelemetry", "NeedletailOTLP", "NeedletailWire",
      "NeedletailBlocks", "NeedletailCluster", "NeedletailSeries", "NeedletailEvents", "NeedletailQueryLanguage",
      "NeedletailQueryEngine", "NeedletailTerminal", "NeedletailSimulation",
    ],
    path: "Tests/Fuzzing/Fuzzer",
    swiftSettings: [.enableUpcomingFeature("ExistentialAny"), .unsafeFlags(["-sanitize=address"])],
    linkerSettings: [
      .unsafeFlags(
        ["-sanitize=address", "-use-ld=lld"]
          + (ProcessInfo.processInfo.environment["NEEDLETAIL_FUZZ"].map { [$0] } ?? []) + ["-lstdc++"])
    ]),
]

let packages: [(identity: String, package: Package.Dependency)] = [
  ("hummingbird", .package(url: "https://github.com/hummingbird-project/hummingbird.git", exact: "2.28.1", traits: [])),
  ("async-http-client", .package(url: "https://github.com/swift-server/async-http-client.git", exact: "1.37.0")),
  (
    "swift-service-lifecycle",
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", exact: "2.13.0")
  ),
  ("swift-log", .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2")),
  ("swift-metrics", .package(url: "https://github.com/apple/swift-metrics.git", exact: "2.13.0")),
  (
    "swift-distributed-tracing", .package(url: "https://github.com/apple/swift-distributed-tracing.git", exact: "1.7.3")
  ),
  ("swift-argument-parser", .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2")),
  ("Yams", .package(url: "https://github.com/jpsim/Yams.git", exact: "6.2.2")),
  ("swift-protobuf", .package(url: "https://github.com/apple/swift-protobuf.git", exact: "1.39.0", traits: [])),
  ("swift-nio-ssl", .package(url: "https://github.com/apple/swift-nio-ssl.git", exact: "2.37.6")),
  ("swift-http-types", .package(url: "https://github.com/apple/swift-http-types.git", exact: "1.8.0", traits: [])),
  ("swift-nio", .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2")),
  ("swift-nio-http2", .package(url: "https://github.com/apple/swift-nio-http2.git", exact: "1.46.0")),
  ("swift-nio-extras", .package(url: "https://github.com/apple/swift-nio-extras.git", exact: "1.35.2")),
]

/// A micro-benchmark of a single room, in Benchmarks/Micro, which sees what other packages cannot.
func bench(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, path: "Benchmarks/Micro/\(name)", swiftSettings: settings)
}

// They are only there where NEEDLETAIL_BENCH=1 asks for them.
let benchmarks: [Target] =
  ProcessInfo.processInfo.environment["NEEDLETAIL_BENCH"] == nil
  ? []
  : [
    bench("ColumnBench", ["NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry"]),
    bench("HeadBench", ["NeedletailSeries", "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry"]),
    bench("DecodeBench", ["NeedletailWire", "NeedletailOTLP", "NeedletailTelemetry", "CSnappy"]),
    bench("DigestBench", ["NeedletailSeries", "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry"]),
    bench("PartBench", ["NeedletailSeries", "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry"]),
    bench(
      "SplitBench", ["NeedletailCollector", "NeedletailCluster", "NeedletailEnvironment", "NeedletailTelemetry"]),
    bench("ReplayBench", ["NeedletailSeries", "NeedletailBlocks", "NeedletailEnvironment", "NeedletailTelemetry"]),
  ]

/// The names of the targets of this package, and of the packages, that a target stands on directly.
func standsOn(_ target: Target) -> (targets: [String], packages: [String]) {
  var targets: [String] = []
  var packages: [String] = []
  for dependency in target.dependencies {
    switch dependency {
    case .byNameItem(let name, _), .targetItem(let name, _): targets.append(name)
    case .productItem(_, let package, _, _): if let package { packages.append(package) }
    @unknown default: break
    }
  }
  return (targets, packages)
}

/// What `NEEDLETAIL_ONLY` asks for: the named targets, their tests, and all that these stand on.
func selection(_ all: [Target], only: String?) -> [Target] {
  guard let only, !only.isEmpty else { return all }
  var wanted = Set<String>()
  var queue =
    only == "release"
    ? ["NeedletailCLI", "NeedletailShop"]
    : only.split(separator: ",").flatMap { [String($0), String($0) + "Tests"] }
  while let name = queue.popLast() {
    guard let target = all.first(where: { $0.name == name }), wanted.insert(name).inserted else { continue }
    queue += standsOn(target).targets
  }
  return all.filter { wanted.contains($0.name) }
}

let only = ProcessInfo.processInfo.environment["NEEDLETAIL_ONLY"]
let targets = selection(libraries + sanitizers + rooms + testRooms + benchmarks + (fuzzing ? fuzzers : []), only: only)
let names = Set(targets.map(\.name))
let neededPackages = Set(targets.flatMap { standsOn($0).packages })

// The documentation plug-in is for `make docs` alone: nobody else resolves it.
let plugins: [Package.Dependency] =
  ProcessInfo.processInfo.environment["NEEDLETAIL_DOCS"] == nil
  ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin.git", exact: "1.5.0")]

let package = Package(
  name: "needletail",
  platforms: [.macOS(.v15)],
  products: [
    ("needletail", "NeedletailCLI"), ("needletail-shop", "NeedletailShop"),
  ].filter { names.contains($0.1) }.map { .executable(name: $0.0, targets: [$0.1]) }
    + (names.contains("Needletail") ? [.library(name: "Needletail", targets: ["Needletail"])] : []),
  dependencies: packages.filter { neededPackages.contains($0.identity) }.map(\.package) + plugins,
  targets: targets,
  swiftLanguageModes: [.v6]
)
