"""What the workers of a host take while MongoDB is away, on a disk that they share."""

import os
import random
import signal
import subprocess

import pytest
import requests

from client import user
from load import Load
from outage import BACK, QUICK, health, sessions_of, until, until_lost
from processes import Mongod, run, wait_until
from sqlite_file import check_file, reading


@pytest.fixture
def mongod(started):
    """A server of the test's own, to break."""
    return started(Mongod, replica_set="breaks")


@pytest.fixture
def begin(serve, state, mongod):
    """Workers of one host on the server: `site = begin(workers=2)`."""

    def begin(drain=1, **settings):
        return serve("--threads", "8", "--drain-seconds", str(drain), MONGO_URI=mongod.uri + QUICK,
                     **{"STATE_DIRECTORY": state, "MAX_SESSION_MESSAGES": 1000, **settings})

    return begin


@pytest.fixture
def pair(begin):
    """Two workers of one host, each behind an nginx of its own."""
    return [begin(name=name) for name in ("first", "second")]


def kill(workers):
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.wait()


def start(workers):
    for worker in workers:
        worker.start()


def waiting(state):
    """How many operations the file has."""
    with reading(state / "outage.sqlite") as file:
        return file.execute("SELECT count(*) FROM operations").fetchone()[0]


# One answer for the host


def test_what_one_worker_took_the_other_answers_for(pair, mongod):
    first, second = pair
    for name in ("stored", "deleted"):
        first.append(name, user("before"))
    mongod.kill()
    for site in pair:
        until_lost(site)
    keyed = {"Idempotency-Key": "k"}
    taken = first.append("stored", user("a"), headers=keyed)
    assert taken.headers["x-session-store"] == "sqlite"
    answer = second("GET", "/sessions/stored")
    assert answer.status == 200
    assert answer.headers["x-session-store"] == "sqlite"
    assert answer.json()["messages"] == [user("a")]
    assert answer.json()["partial"] is True
    assert "etag" not in answer.headers
    again = second.append("stored", user("a"), headers=keyed)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.body == taken.body
    assert second("POST", "/sessions/stored/messages", user("x"), headers=keyed).status == 422
    second.append("stored", user("b"))
    assert first("GET", "/sessions/stored/messages").json()["messages"] == [user("a"), user("b")]
    assert second("DELETE", "/sessions/deleted").status == 204
    assert first("GET", "/sessions/deleted").status == 404
    assert first("GET", "/sessions/unknown").status == 503
    members = ("status", "mongodb", "store", "pending_operations", "pending_bytes", "active_sessions")
    told = [[health(site)[name] for name in members] for site in pair]
    assert told[0] == told[1]
    assert told[0][:3] == ["degraded", "disconnected", "sqlite"]
    assert told[0][3] >= 4
    for site in pair:
        assert 0 <= health(site)["oldest_pending_seconds"] < 60
        assert site("GET", "/health/ready").status == 200
    mongod.start()
    for site in pair:
        until(site, **BACK)
        assert site.messages("stored") == [user("before"), user("a"), user("b")]
        assert site("GET", "/sessions/deleted").status == 404
        assert site.append("stored", user("a"), headers=keyed).headers["idempotency-replayed"] == "true"


def test_a_client_that_alternates_between_workers_keeps_its_order(pair, mongod):
    appended, stores = 0, []

    def append():
        """Appends the next number, over the other worker than before, to the same session as most numbers before."""
        nonlocal appended
        answer = client.post(
            f"{pair[appended % 2].base}/sessions/{appended // 50}/messages", json=user(str(appended)),
            headers={"Idempotency-Key": str(appended)})
        if answer.status_code == 201:
            stores.append(answer.headers["X-Session-Store"])
            appended += 1

    def append_until(condition, what):
        def is_reached():
            append()
            return condition()

        wait_until(is_reached, what, 30)

    with requests.Session() as client:
        append_until(lambda: appended >= 75, "the first are taken")
        mongod.kill()
        append_until(lambda: stores.count("sqlite") >= 120, "the outage is lived through")
        mongod.start()
        append_until(lambda: stores[-20:] == ["mongodb"] * 20, "MongoDB has them again")
    for site in pair:
        until(site, **BACK)
        for number in range(0, appended, 50):
            expected = [str(one) for one in range(number, min(number + 50, appended))]
            assert [message["content"] for message in site.messages(str(number // 50))] == expected


def test_a_worker_whose_mongodb_answers_asks_first_what_waits(serve, state, mongod_with_password):
    settings = {"MONGO_DATABASE": "asks-first", "STATE_DIRECTORY": state, "MAX_SESSION_MESSAGES": 100}
    uri = f"mongodb://{{}}:secret-right@{mongod_with_password.address}/?authSource=admin"
    served = serve(name="served", MONGO_URI=uri.format("worker"), **settings)
    refused = serve(name="refused", MONGO_URI=uri.format("nobody"), **settings)
    expected = []
    for number in range(20):
        for site in (refused, served):
            expected.append(user(f"{number} {site.base}"))
            site.append("s", expected[-1])
    assert health(refused)["mongodb"] == "disconnected"
    assert served.messages("s") == expected
    until(served, **BACK)
    with mongod_with_password.client(username="worker", password="secret-right") as client:
        assert client["asks-first"].sessions.find_one({"_id": "s"})["messages"] == expected


# Killed


def test_workers_killed_in_the_outage_and_in_the_replay_lose_nothing(begin, state, mongod):
    site = begin(workers=3)
    chance = random.Random(11)
    with Load(site.base) as load:
        load.until_taken(100, "mongodb")
        mongod.kill()
        load.until(mongodb="disconnected", store="sqlite")
        for _ in range(5):
            load.until_taken(chance.randrange(50, 100), "sqlite")
            victims = chance.sample(site.workers, chance.choice([1, 2, 3]))
            kill(victims)
            start(victims)
        load.until_taken(200, "sqlite")
        mongod.start()
        for _ in range(4):
            before = waiting(state)
            wait_until(lambda: load.errors or 0 < waiting(state) < before or before < 100, "the replay has begun")
            # What was sent to a server that stands still may or may not be carried out once it goes on.
            mongod.signal(signal.SIGSTOP)
            kill(site.workers)
            mongod.signal(signal.SIGCONT)
            start(site.workers)
        load.until(**BACK, seconds=40)
        load.until_taken(100, "mongodb")
    assert waiting(state) == 0
    with sessions_of(mongod) as sessions:
        load.check_stored(sessions)
    assert {told.status for *_, told in load.missed} <= {0, 502}
    kill(site.workers)
    check_file(state / "outage.sqlite")


def test_what_is_known_outlives_all_workers_while_mongodb_stays_away(begin, state, mongod):
    site = begin(workers=2)
    mongod.kill()
    until_lost(site)
    site.append("s", user("a"))
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = waiting(state)
        for worker in site.workers:
            worker.signal(number)
        for worker in site.workers:
            assert worker.wait() in (0, -signal.SIGKILL)
        start(site.workers)
        for _ in range(4):
            answer = site("GET", "/sessions/s")
            assert answer.status == 200
            assert answer.headers["x-session-store"] == "sqlite"
            assert answer.json()["messages"][0] == user("a")
            assert health(site)["pending_operations"] == before
        site.append("s", user("b"))
    assert site.messages("s") == [user("a"), user("b"), user("b")]


def test_a_worker_that_stops_in_an_outage_waits_for_nobody_and_the_next_one_writes(begin, state, mongod):
    site = begin(drain=60)
    mongod.kill()
    until_lost(site)
    for number in range(20):
        site.append(f"s-{number}", user("a"), user("b"))
    pending = health(site)["pending_operations"]
    site.worker.signal(signal.SIGTERM)
    # nginx gives its kept connections back within some seconds.
    assert site.worker.wait(12) == 0
    assert "never written" not in site.log_text()
    assert waiting(state) == pending
    mongod.start()
    site.worker.start()
    until(site, **BACK)
    with sessions_of(mongod) as sessions:
        for number in range(20):
            assert sessions.find_one({"_id": f"s-{number}"})["messages"] == [user("a"), user("b")]


# Bounds


def test_the_bound_is_the_hosts_and_what_was_taken_is_kept(begin, mongod):
    site = begin(workers=2, JOURNAL_MAX_BYTES=1 << 20)
    mongod.kill()
    until_lost(site)
    statuses = []
    with requests.Session() as client:
        # Until each worker has refused several.
        while statuses[-8:] != [503] * 8:
            url = f"{site.base}/sessions/{len(statuses)}/messages"
            statuses.append(client.post(url, json=user("x" * 20_000), timeout=30).status_code)
            assert len(statuses) < 200
    assert 30 < statuses.count(201) < 53
    told = health(site)
    assert told["pending_bytes"] <= 1 << 20
    assert all(site("GET", "/health/ready").status == 503 for _ in range(4))
    assert site.messages("0") == [user("x" * 20_000)]
    mongod.start()
    until(site, **BACK)
    wait_until(lambda: all(health(site)["mongodb"] == "connected" for _ in range(6)), "both workers are back")
    for number, status in enumerate(statuses):
        assert site("GET", f"/sessions/{number}").status == (200 if status == 201 else 404)


def test_a_change_that_is_refused_in_an_outage_does_not_wait(begin, state, mongod):
    site = begin(MAX_SESSION_BYTES=1000)
    mongod.kill()
    wait_until(lambda: site("GET", "/sessions/s").status == 503 and health(site)["mongodb"] == "disconnected",
               "the loss is known")
    assert site("POST", "/sessions/s/messages", user("x" * 2000)).status == 413
    assert (health(site)["pending_operations"], waiting(state)) == (0, 0)
    mongod.start()
    until(site, **BACK)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(file):
    """Leaves no room at all on the disk of a file."""
    with open(file, "wb", buffering=0) as filling:
        for size in (1 << 16, 1):
            try:
                while True:
                    filling.write(b"x" * size)
            except OSError:
                pass


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_what_a_full_disk_does_not_let_go_of_waits_until_it_does(begin, mongod, small_disk):
    site = begin(workers=2, STATE_DIRECTORY=small_disk)
    mongod.kill()
    until_lost(site)
    wait_until(lambda: all(health(site)["mongodb"] == "disconnected" for _ in range(6)), "both have lost it")
    site.append("s", user("a"))
    before = waiting(small_disk)
    fill(small_disk / "filling")
    assert site("POST", "/sessions/s/messages", user("x" * 10_000)).status == 503
    assert site.messages("s") == [user("a")]
    for _ in range(4):
        assert health(site)["pending_operations"] == before
    mongod.start()
    with sessions_of(mongod) as sessions:
        wait_until(lambda: sessions.find_one({"_id": "s"}), "MongoDB has the change")
        # It is given to MongoDB again and again, since it cannot be forgotten, and is known there.
        log = len(site.log_text())
        wait_until(lambda: "could not be written" in site.log_text()[log:], "it is tried again")
        assert health(site)["pending_operations"] == waiting(small_disk) > 0
        (small_disk / "filling").unlink()
        until(site, **BACK)
        assert waiting(small_disk) == 0
        assert sessions.find_one({"_id": "s"})["messages"] == [user("a")]
    site.append("s", user("b"))
    assert site.messages("s") == [user("a"), user("b")]


# Settings


def test_operations_for_another_collection_are_not_written_into_this_one(begin, state, mongod, tmp_path):
    site = begin(MONGO_DATABASE="one")
    mongod.kill()
    until_lost(site)
    site.worker.stop()
    done = run("serve", "--listen", f"unix:{tmp_path}/never.sock", STATE_DIRECTORY=state, MONGO_URI=mongod.uri,
               MONGO_DATABASE="two")
    assert done.returncode == 78
    assert str(state / "outage.sqlite") in done.stderr
    assert "one.sessions" in done.stderr


@pytest.mark.parametrize("fallback, store", [("memory", "memory"), ("disk", "sqlite")])
def test_the_journal_is_the_one_that_was_asked_for(begin, state, mongod, fallback, store):
    site = begin(MONGO_FALLBACK=fallback)
    mongod.kill()
    until_lost(site)
    assert site.append("s", user("a")).headers["x-session-store"] == store
    assert (state / "outage.sqlite").exists() == (store == "sqlite")
    warning = next(line for line in site.log_text().splitlines() if "MongoDB cannot be reached" in line)
    assert f"MONGO_FALLBACK={fallback}" in warning
