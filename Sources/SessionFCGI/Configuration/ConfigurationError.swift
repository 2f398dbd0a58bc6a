/// Settings that cannot be run with: one line a fault, each naming the variable.
struct ConfigurationError: Error, Equatable {
    /// `EX_CONFIG` of sysexits.h.
    static let exitStatus: Int32 = 78

    let faults: [String]
}
