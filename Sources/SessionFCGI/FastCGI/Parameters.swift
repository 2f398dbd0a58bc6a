import Glibc
import Synchronization
import Text

/// The FastCGI parameters that the worker reads, copied out of libfcgi's memory in one pass.
struct Parameters {
    enum ContentLength: Equatable {
        /// No body, or one whose length nobody knows.
        case absent
        case bytes(Int)
        case invalid
    }

    private(set) var contentLength = ContentLength.absent

    /// - Parameters:
    ///   - environment: `NAME=value` strings, ended by nil.
    ///   - request: what is told of the request goes into it.
    init(_ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, into request: inout Request) {
        var next = environment
        while let entry = next?.pointee {
            next = next?.advanced(by: 1)
            guard let equals = strchr(entry, CInt(UInt8(ascii: "="))) else { continue }
            read(entry, nameLength: equals - entry, value: equals + 1, into: &request)
        }
        if request.id.isEmpty { request.id = Self.newID() }
    }

    private mutating func read(
        _ name: UnsafePointer<CChar>, nameLength: Int, value: UnsafePointer<CChar>, into request: inout Request
    ) {
        func isName(_ text: StaticString) -> Bool { memcmp(name, text.utf8Start, nameLength) == 0 }
        switch nameLength {
        case 10 where isName("REQUEST_ID"): request.id = Self.usableID(String(cString: value)) ?? ""
        case 11 where isName("REQUEST_URI"):
            request.target = Array(UnsafeRawBufferPointer(start: value, count: strlen(value)))
        case 11 where isName("REMOTE_ADDR"): request.remoteAddress = String(cString: value)
        case 12 where isName("CONTENT_TYPE"): request.contentType = String(cString: value)
        case 13 where isName("HTTP_IF_MATCH"): request.ifMatch = String(cString: value)
        case 14 where isName("REQUEST_METHOD"): request.method = String(cString: value)
        case 14 where isName("CONTENT_LENGTH"): contentLength = Self.contentLength(String(cString: value))
        case 18 where isName("HTTP_AUTHORIZATION"): request.authorization = String(cString: value)
        case 18 where isName("HTTP_IF_NONE_MATCH"): request.ifNoneMatch = String(cString: value)
        case 20 where isName("HTTP_IDEMPOTENCY_KEY"): request.idempotencyKey = String(cString: value)
        default: break
        }
    }

    private static func contentLength(_ text: String) -> ContentLength {
        if text.isEmpty { return .absent }
        guard text.utf8.allSatisfy(\.isDigit) else { return .invalid }
        // A number too great for Int is over any limit.
        return .bytes(Int(text) ?? .max)
    }

    /// An id goes into the log and into a header: nothing but letters, digits and `-._` may stand in it.
    private static func usableID(_ text: String) -> String? {
        let isUsable = text.utf8.allSatisfy { $0.isUnreserved && $0 != UInt8(ascii: "~") }
        return isUsable && text.utf8.count <= 128 ? text : nil
    }

    /// Unique among all workers by its random half, and within this one by its number. Asking the system for
    /// randomness each time would cost two calls of it a request.
    private static func newID() -> String {
        let number = lastNumber.add(1, ordering: .relaxed).newValue
        return String(decoding: workerDigits + number.hexDigits, as: UTF8.self)
    }

    private static let workerDigits = UInt64.random(in: .min ... .max).hexDigits
    private static let lastNumber = Atomic<UInt64>(0)
}
