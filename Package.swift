// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "session-fcgi",
    products: [
        .executable(name: "session-fcgi", targets: ["SessionFCGI"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .systemLibrary(name: "CFCGI", providers: [.apt(["libfcgi-dev"])]),
        .systemLibrary(
            name: "CMongoC", pkgConfig: "libmongoc-1.0", providers: [.apt(["libmongoc-dev"])]),
        .target(
            name: "Store",
            dependencies: [
                "CMongoC",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "SessionFCGI",
            dependencies: [
                "CFCGI", "Store",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "StoreTests", dependencies: ["Store"]),
        .testTarget(name: "SessionFCGITests", dependencies: ["SessionFCGI", "Store", "CFCGI"]),
    ],
    swiftLanguageModes: [.v6]
)

// Benchmarks of the parts (Tests/Benchmark/parts) need a library that nothing else does.
if Context.environment["SESSION_FCGI_BENCHMARKS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/google/swift-benchmark", from: "0.1.2"))
    package.targets.removeAll { $0.type == .test }
    package.targets.append(
        .testTarget(
            name: "PartsBenchmark",
            dependencies: ["SessionFCGI", "Store", .product(name: "Benchmark", package: "swift-benchmark")],
            path: "Tests/Benchmark/Parts"))
}
