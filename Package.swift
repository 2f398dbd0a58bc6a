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
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CFCGI", providers: [.apt(["libfcgi-dev"])]),
        .systemLibrary(name: "CBSON", pkgConfig: "libbson-1.0", providers: [.apt(["libbson-dev"])]),
        .systemLibrary(
            name: "CMongoC", pkgConfig: "libmongoc-1.0", providers: [.apt(["libmongoc-dev"])]),
        .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "System", dependencies: ["CLinux"]),
        .target(name: "Text", dependencies: ["System"]),
        .target(
            name: "Store",
            dependencies: [
                "CBSON", "CMongoC", "CSQLite", "System", "Text",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "SessionFCGI",
            dependencies: [
                "CFCGI", "Store", "System", "Text",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ]),
        .target(name: "TestSupport", dependencies: ["Store", "System", "Text"], path: "Tests/Support"),
        .testTarget(name: "SystemTests", dependencies: ["System", "TestSupport"]),
        .testTarget(name: "TextTests", dependencies: ["System", "TestSupport", "Text"]),
        .testTarget(name: "StoreTests", dependencies: ["Store", "System", "TestSupport", "Text"]),
        .testTarget(
            name: "SessionFCGITests",
            dependencies: ["CFCGI", "CLinux", "SessionFCGI", "Store", "System", "TestSupport", "Text"]),
    ],
    swiftLanguageModes: [.v6]
)

for target in package.targets where target.type != .system {
    target.swiftSettings = [.enableUpcomingFeature("ExistentialAny")]
}

// Benchmarks of the parts (Tests/Benchmark/parts) need a library that nothing else does.
if Context.environment["SESSION_FCGI_BENCHMARKS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/google/swift-benchmark", from: "0.1.2"))
    package.targets.removeAll { $0.type == .test || $0.name == "TestSupport" }
    package.targets.append(
        .testTarget(
            name: "PartsBenchmark",
            dependencies: [
                "SessionFCGI", "Store", "Text", .product(name: "Benchmark", package: "swift-benchmark"),
            ],
            path: "Tests/Benchmark/Parts"))
}
