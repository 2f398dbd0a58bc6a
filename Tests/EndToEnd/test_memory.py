import requests

from client import user

BOUND = 33_554_432


def test_the_memory_store_keeps_its_bound(serve):
    site = serve(MEMORY_MAX_BYTES=BOUND)
    content = "x" * 100_000
    with requests.Session() as client:
        for number in range(2_000):
            answer = client.post(f"{site.base}/sessions/{number}/messages", json=user(content), timeout=30)
            assert answer.status_code == 201
        assert site.worker.memory() < 120_000_000
        assert client.get(f"{site.base}/sessions/1999", timeout=30).json()["messages"] == [user(content)]
        assert client.get(f"{site.base}/sessions/0", timeout=30).status_code == 404
        kept = client.get(f"{site.base}/health", timeout=30).json()["active_sessions"]
    # The bound is used as well as kept: a store that drops nearly everything would keep it too.
    assert BOUND / 2 < kept * 100_000 <= BOUND


def test_the_least_recently_updated_sessions_go_first(serve):
    site = serve(MEMORY_MAX_BYTES=BOUND)
    content = "x" * 100_000
    with requests.Session() as client:
        for number in range(600):
            client.post(f"{site.base}/sessions/{number}/messages", json=user(content), timeout=30)
            if number % 20 == 0:
                client.post(f"{site.base}/sessions/busy/messages", json=user("x"), timeout=30)
        assert client.get(f"{site.base}/sessions/busy", timeout=30).status_code == 200
