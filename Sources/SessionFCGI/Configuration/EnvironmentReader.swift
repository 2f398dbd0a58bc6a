import Text

/// Reads typed values out of an environment, and collects the faults instead of stopping at the first.
struct EnvironmentReader {
    let variables: [String: String]
    private(set) var faults: [String] = []

    mutating func fault(_ text: String) { faults.append(text) }

    /// A text; one that is empty counts as not set.
    func text(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

    mutating func integer(_ name: String, default standard: Int, in range: ClosedRange<Int>) -> Int {
        guard let text = variables[name] else { return standard }
        guard let value = Int(decimal: text), range.contains(value) else {
            fault("\(name): must be a decimal integer from \(range.lowerBound) to \(range.upperBound)")
            return standard
        }
        return value
    }

    mutating func flag(_ name: String, default standard: Bool) -> Bool {
        switch variables[name]?.lowercased() {
        case nil: return standard
        case "true", "1": return true
        case "false", "0": return false
        default:
            fault("\(name): must be true or false")
            return standard
        }
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, default standard: Choice
    ) -> Choice where Choice.RawValue == String {
        guard let text = variables[name] else { return standard }
        guard let value = Choice(rawValue: text.lowercased()) else {
            fault("\(name): must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
            return standard
        }
        return value
    }
}
