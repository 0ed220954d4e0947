// swift-tools-version: 6.2
import PackageDescription

// Benchmarks stand apart from the main package, so that nobody who uses Needletail builds them. They talk to it and its peers from
// outside, over their protocols.
let package = Package(
  name: "needletail-benchmarks",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "ingest-bench", targets: ["IngestBench"]),
    .executable(name: "peers-bench", targets: ["PeersBench"]),
    .executable(name: "cluster-bench", targets: ["ClusterBench"]),
  ],
  targets: [
    .systemLibrary(name: "CSnappyBench", pkgConfig: "snappy", providers: [.apt(["libsnappy-dev"]), .brew(["snappy"])]),
    .target(name: "BenchmarkSupport", dependencies: ["CSnappyBench"]),
    .executableTarget(name: "IngestBench", dependencies: ["BenchmarkSupport"]),
    .executableTarget(name: "PeersBench", dependencies: ["BenchmarkSupport"]),
    .executableTarget(name: "ClusterBench", dependencies: ["BenchmarkSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
