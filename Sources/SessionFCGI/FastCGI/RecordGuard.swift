import CFCGI
import Glibc

/// Checks every byte of a request before libfcgi sees it, which trusts its peer more than a worker should that
/// nothing on the socket may end: no management records, and a bound on the parameters.
struct RecordGuard {
    /// The most bytes that a request's parameters have together.
    static let maximumParameterBytes = 1 << 20

    private enum Pair { case nameLength, valueLength, text }

    /// The bytes of the record's header that have come so far, and how many those are.
    private var header: UInt64 = 0
    private var headerBytes = 0
    private var type: UInt8 = 0
    private var id = 0
    private var requestID: Int?
    private var content = 0
    private var padding = 0
    private var parameterBytes = 0
    // The place within a name-value pair.
    private var pair = Pair.nameLength
    private var lengthBytes = 0
    private var length = 0
    private var textLength = 0

    /// Whether the bytes that come next on the connection may be read on.
    mutating func allows(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        while index < bytes.count {
            if content == 0, padding == 0 {
                header = header << 8 | UInt64(bytes[index])
                headerBytes += 1
                index += 1
                if headerBytes == 8, !beginRecord() { return false }
                continue
            }
            if content > 0 {
                let count = min(content, bytes.count - index)
                if type == FCGI_PARAMS, id == requestID, !pass(bytes[index..<index + count]) { return false }
                content -= count
                index += count
            } else {
                let count = min(padding, bytes.count - index)
                padding -= count
                index += count
            }
        }
        return true
    }

    private mutating func beginRecord() -> Bool {
        headerBytes = 0
        // FastCGI 1.0, section 3.3: version, type, id, content length, padding length, reserved.
        let version = header >> 56
        type = UInt8(truncatingIfNeeded: header >> 48)
        id = Int(header >> 32 & 0xFFFF)
        content = Int(header >> 16 & 0xFFFF)
        padding = Int(header >> 8 & 0xFF)
        // A record without a request's id is a management record. nginx sends none.
        guard version == 1, id != 0 else { return false }
        if type == FCGI_BEGIN_REQUEST, requestID == nil { requestID = id }
        return requestID != nil
    }

    private mutating func pass(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
        parameterBytes += bytes.count
        guard parameterBytes <= Self.maximumParameterBytes else { return false }
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if pair == .text {
                let count = min(textLength, bytes.endIndex - index)
                textLength -= count
                index += count
                if textLength == 0 { pair = .nameLength }
                continue
            }
            // One byte, or four of which the first has its highest bit set.
            let byte = Int(bytes[index])
            index += 1
            if lengthBytes == 0 {
                length = byte & 0x7F
                lengthBytes = byte & 0x80 == 0 ? 0 : 3
            } else {
                length = length << 8 | byte
                lengthBytes -= 1
            }
            if lengthBytes > 0 { continue }
            textLength += length
            guard textLength <= Self.maximumParameterBytes else { return false }
            pair = pair == .nameLength ? .valueLength : (textLength > 0 ? .text : .nameLength)
        }
        return true
    }
}

/// The guard of the request that the calling thread is reading.
private let currentGuard: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key, nil)
    return key
}()

extension RecordGuard {
    /// Lets libfcgi read, within the body, only what a new guard allows.
    static func watching<Result>(_ body: () -> Result) -> Result {
        var new = RecordGuard()
        return withUnsafeMutablePointer(to: &new) { pointer in
            pthread_setspecific(currentGuard, pointer)
            defer { pthread_setspecific(currentGuard, nil) }
            return body()
        }
    }
}

/// Takes the place of the function of this name in libfcgi, through which it reads all its input.
@_cdecl("OS_Read")
public func readGuarded(_ descriptor: Int32, _ buffer: UnsafeMutableRawPointer?, _ length: Int) -> Int32 {
    let count = read(descriptor, buffer, length)
    if count > 0, let raw = pthread_getspecific(currentGuard) {
        let bytes = UnsafeRawBufferPointer(start: buffer, count: count)
        guard raw.assumingMemoryBound(to: RecordGuard.self).pointee.allows(bytes) else {
            errno = EPROTO
            return -1
        }
    }
    return Int32(truncatingIfNeeded: count)
}
