import Glibc

/// Starts POSIX threads that run one body each, and waits for their ends.
public final class Threads {
    private var handles: [pthread_t] = []

    public init() {}

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Throws where the system has no thread to give.
    public func start(_ body: @escaping @Sendable () -> Void) throws(SystemCallError) {
        var handle = pthread_t()
        let box = Unmanaged.passRetained(Body(body))
        let code = pthread_create(&handle, nil, { raw in
            Unmanaged<Body>.fromOpaque(raw!).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw SystemCallError("pthread_create", code: code)
        }
        handles.append(handle)
    }

    public func join() {
        for handle in handles { pthread_join(handle, nil) }
        handles = []
    }
}
