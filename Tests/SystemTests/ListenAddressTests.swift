import System
import Testing

@Suite struct ListenAddressTests {
    @Test(arguments: [
        ("unix:/run/s.sock", .unix(path: "/run/s.sock")), ("127.0.0.1:9000", .tcp(host: "127.0.0.1", port: 9000)),
        ("[::1]:9000", .tcp(host: "::1", port: 9000)), ("0.0.0.0:65535", .tcp(host: "0.0.0.0", port: 65535)),
        ("unix:/with space:9", .unix(path: "/with space:9")),
    ] as [(String, ListenAddress)])
    func `an address is a path or a host and a port`(text: String, address: ListenAddress) {
        #expect(ListenAddress(text) == address)
    }

    @Test(arguments: [
        "", "unix:", "unix:relative", "/run/s.sock", "9000", ":9000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
        "127.0.0.1:-1", "127.0.0.1:x", "[]:1", "127.0.0.1:9000:", "UNIX:/x",
    ])
    func `anything else is refused`(text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test func `a path may be as long as the kernel takes it`() {
        let longest = "/" + String(repeating: "p", count: 106)
        #expect(ListenAddress("unix:" + longest) != nil)
        #expect(ListenAddress("unix:" + longest + "p") == nil)
    }

    @Test(arguments: [
        ("unix:/s", true), ("127.0.0.1:1", true), ("127.9.8.7:1", true), ("[::1]:1", true), ("0.0.0.0:1", false),
        ("10.0.0.1:1", false), ("[::]:1", false), ("[::ffff:10.0.0.1]:1", false),
    ])
    func `only sockets and loopback are local`(text: String, isLocal: Bool) {
        #expect(ListenAddress(text)?.isLocal == isLocal)
    }
}
