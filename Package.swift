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
