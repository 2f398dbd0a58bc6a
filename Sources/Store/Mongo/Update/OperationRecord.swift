/// What a session remembers of its last changes: one string, newest first, in which each change has the eight bytes of
/// its operation's id and six digits that say how many messages there were before it.
struct OperationRecord {
    /// The bytes of one change.
    static let length = 14
    /// How many changes are remembered.
    static let remembered = 64
    /// What is added to the number of messages, so that it has six digits also for -1, which says that there was no
    /// session.
    static let priorOffset = 100_001
    static let greatestPrior = 899_998

    private let text: ArraySlice<UInt8>

    init(_ text: ArraySlice<UInt8>?) { self.text = text ?? [] }

    /// How many changes followed an operation; nil where it is not remembered.
    func place(of operation: OperationID) -> Int? {
        (0..<text.count / Self.length).first { change(at: $0).prefix(8).elementsEqual(operation.bytes) }
    }

    /// How many messages there were before a change; nil where there was no session.
    func prior(at place: Int) -> Int? {
        let number = change(at: place).dropFirst(8).reduce(0) { $0 * 10 + Int($1) - Int(UInt8(ascii: "0")) }
        return number < Self.priorOffset ? nil : number - Self.priorOffset
    }

    private func change(at place: Int) -> ArraySlice<UInt8> {
        text.dropFirst(place * Self.length).prefix(Self.length)
    }
}
