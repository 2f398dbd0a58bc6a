/// FNV-1a with 64 bits, by which a repeated idempotency key's body is told from another one. The same in every
/// worker and every release, since other workers compare it.
func fingerprint(of body: [UInt8]) -> Int64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in body { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int64(bitPattern: hash)
}
