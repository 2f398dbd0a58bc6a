import Store
import TestSupport
import Testing

@testable import SessionFCGI

@Suite struct HealthRouteTests {
    @Test func `health says what the store is and holds`() {
        let site = Site(limits: StoreLimits(ttlSeconds: 77))
        for id in ["a", "b"] { site.say("x", to: id) }
        let answer = site.send("GET", "/health")
        #expect(answer.status == 200)
        #expect(answer["status"] == "ok")
        #expect(answer["mongodb"] == "not configured")
        #expect(answer["active_sessions"] == 2)
        #expect(answer["store"] == "memory")
        #expect(answer["ttl_seconds"] == 77)
        #expect(answer["uptime_seconds"] == 0)
        site.clock.advance(milliseconds: 77_000)
        #expect(site.send("GET", "/health")["active_sessions"] == 0)
    }

    @Test func `health answers whatever the store does, and readiness tells`() {
        let store = RefusingStore(.unavailable(reason: "mongodb://user:s3cret@db"))
        let site = Site(store: store)
        let health = site.send("GET", "/health")
        #expect(health.status == 200)
        #expect(health["status"] == "degraded" && health["mongodb"] == "disconnected")
        #expect(health["pending_operations"] == 3)
        #expect(site.send("GET", "/health/live").status == 200)
        let ready = site.send("GET", "/health/ready")
        #expect(ready.isProblem(503))
        #expect(ready.headers["Retry-After"] == "1" && ready["retry_after"] == 1)
        #expect(store.calls == 0)
    }

    @Test func `a store that can be written is ready`() {
        #expect(Site().send("GET", "/health/ready").status == 200)
    }
}
