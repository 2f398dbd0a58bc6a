import Glibc

/// A small file's bytes; nil, with `errno` set, where it cannot be read or is larger.
package func readFile(_ path: String, maximumBytes: Int) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = read(descriptor, &chunk, chunk.count)
        if count < 0 { return nil }
        if count == 0 { return content }
        content += chunk[..<count]
        if content.count > maximumBytes {
            errno = EFBIG
            return nil
        }
    }
}
