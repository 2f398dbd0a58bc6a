"""What becomes of a site, and of what it was told, while MongoDB is away."""

import concurrent.futures
import signal
import time
import uuid
from typing import NamedTuple

import pytest

from client import path_of, user
from load import Load
from outage import BACK, QUICK, health, sessions_of, until, until_lost
from processes import Mongod, initiate, primary_of, wait_until


@pytest.fixture
def mongod(started):
    """A server of the test's own, to break."""
    return started(Mongod, replica_set="breaks")


class Standby(NamedTuple):
    """What takes changes while MongoDB is away: the kind of store that it is, and the settings that choose it."""

    store: str
    settings: dict


@pytest.fixture(params=["memory", "disk"])
def standby(request):
    if request.param == "memory":
        return Standby("memory", {})
    return Standby("sqlite", {"STATE_DIRECTORY": request.getfixturevalue("state")})


def standby_only(kind):
    return pytest.mark.parametrize("standby", [kind], indirect=True)


@pytest.fixture
def begin(serve, standby):
    """A worker of few threads on a server."""

    def begin(uri, drain=1, **settings):
        site = serve("--threads", "4", "--drain-seconds", str(drain), MONGO_URI=uri, MAX_SESSION_MESSAGES=1000,
                     **standby.settings, **settings)
        site.standby = standby.store
        return site

    return begin


# Under load


def test_absent_at_the_start_then_started(begin, started):
    mongod = started(Mongod, replica_set="breaks", starts=False)
    site = begin(mongod.uri)
    with Load(site.base) as load:
        load.until(status="degraded", mongodb="disconnected", store=site.standby)
        load.until_taken(200, site.standby)
        mongod.start()
        initiate("breaks", [mongod])
        load.until(**BACK)
        load.until_taken(100, "mongodb")
    load.check_times()
    load.check_reads()
    with sessions_of(mongod) as sessions:
        load.check_stored(sessions)


def check_kill_and_restart(site, mongod):
    with Load(site.base) as load:
        load.until_taken(200, "mongodb")
        mongod.kill()
        load.until(status="degraded", mongodb="disconnected")
        load.until_taken(500, site.standby)
        mongod.start()
        load.until(**BACK)
        load.until_taken(200, "mongodb")
    load.check_times()
    load.check_reads()
    with sessions_of(mongod) as sessions:
        load.check_stored(sessions)


def test_killed_and_restarted(begin, mongod):
    check_kill_and_restart(begin(mongod.uri), mongod)


@standby_only("memory")
def test_a_server_without_a_replica_set_killed_and_restarted(begin, started):
    # By itself such a server acknowledges what it would lose.
    mongod = started(Mongod)
    check_kill_and_restart(begin(f"{mongod.uri}?serverSelectionTimeoutMS=500"), mongod)


def test_frozen_and_thawed(begin, mongod):
    site = begin(mongod.uri)
    with Load(site.base) as load:
        load.until_taken(200, "mongodb")
        mongod.signal(signal.SIGSTOP)
        load.until(status="degraded", mongodb="disconnected")
        load.until_taken(500, site.standby)
        mongod.signal(signal.SIGCONT)
        load.until(**BACK)
        load.until_taken(200, "mongodb")
    load.check_times()
    load.check_reads()
    with sessions_of(mongod) as sessions:
        load.check_stored(sessions)


def test_a_change_that_reached_the_frozen_server_is_not_made_twice(serve, mongod, standby):
    site = serve("--threads", "18", MONGO_URI=mongod.uri, **standby.settings)
    names = [f"s-{number}" for number in range(16)]
    for name in names:
        site.append(name, user("before"))
    mongod.signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        stores = list(pool.map(lambda name: site.append(name, user("a")).headers["x-session-store"], names))
    assert set(stores) == {standby.store}
    mongod.signal(signal.SIGCONT)
    until(site, **BACK)
    for name in names:
        assert site.messages(name) == [user("before"), user("a")]


@standby_only("memory")
def test_killed_again_in_the_middle_of_the_replay(begin, mongod):
    site = begin(mongod.uri + QUICK)
    with Load(site.base) as load:
        load.until_taken(50, "mongodb")
        mongod.kill()
        load.until(mongodb="disconnected")
        load.until_taken(1000, site.standby)
        mongod.start()
        wait_until(lambda: load.state["mongodb"] == "connected", "the replay begins")
        mongod.kill()
        load.until(mongodb="disconnected")
        assert load.state["pending_operations"] > 0
        mongod.start()
        load.until(**BACK)
    load.check_times()
    with sessions_of(mongod) as sessions:
        load.check_stored(sessions)


@standby_only("memory")
def test_refused_while_the_database_is_away_if_it_was_asked_for(begin, mongod):
    site = begin(mongod.uri + QUICK, MONGO_FALLBACK="off")
    with Load(site.base) as load:
        load.until_taken(100, "mongodb")
        mongod.kill()
        load.until(status="degraded", mongodb="disconnected")
        for method, path, value in [
            ("GET", "/sessions/own-0-0", None), ("POST", "/sessions/s/messages", user("a")), ("DELETE", "/sessions/s", None),
            ("GET", "/session/s/history", None), ("GET", "/admin/sessions", None)]:
            began = time.monotonic()
            answer = site(method, path, value)
            assert time.monotonic() - began < 1
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) >= 1
        mongod.start()
        load.until(status="ok", mongodb="connected")
        load.until_taken(100, "mongodb")
    load.check_times()
    assert {told.status for told in load.answers} <= {200, 201, 503}
    with sessions_of(mongod) as sessions:
        load.check_stored(sessions)


# Replica sets


@pytest.fixture
def members(started):
    members = [started(Mongod, "--replSet", "three", name=f"member-{number}") for number in range(3)]
    initiate("three", members)
    return members


def uri_of(members):
    return f"mongodb://{','.join(member.address for member in members)}/?replicaSet=three"


@standby_only("memory")
def test_a_lost_primary_with_a_majority_left(begin, members):
    site = begin(uri_of(members))
    with Load(site.base) as load:
        load.until_taken(200, "mongodb")
        lost = primary_of(members)
        lost.kill()
        load.until_taken(200, "mongodb")
        load.until(**BACK)
        lost.start()
        load.until_taken(200, "mongodb")
        load.until(**BACK)
    load.check_times()
    load.check_reads()
    with sessions_of(wait_until(lambda: primary_of(members), "a primary")) as sessions:
        load.check_stored(sessions)


@standby_only("memory")
def test_a_lost_primary_with_no_majority_left(begin, members):
    site = begin(uri_of(members) + QUICK)
    with Load(site.base) as load:
        load.until_taken(200, "mongodb")
        primary = primary_of(members)
        lost = [primary, next(member for member in members if member is not primary)]
        for member in lost:
            member.kill()
        load.until(status="degraded", mongodb="disconnected")
        load.until_taken(500, site.standby)
        for member in lost:
            member.start()
        load.until(**BACK, seconds=40)
        load.until_taken(100, "mongodb")
    load.check_times()
    load.check_reads()
    with sessions_of(wait_until(lambda: primary_of(members), "a primary")) as sessions:
        load.check_stored(sessions)


# What is said meanwhile


def test_what_is_known_is_partial_and_what_is_not_is_503(begin, mongod):
    site = begin(mongod.uri + QUICK)
    site.append("before", user("stored"))
    mongod.kill()
    until_lost(site)
    site.append("before", user("added"))
    for path in ("/sessions/before", "/sessions/before?last=1"):
        answer = site("GET", path)
        assert answer.status == 200
        assert answer.headers["x-session-store"] == site.standby
        assert answer.json()["partial"] is True
        assert answer.json()["messages"] == [user("added")]
        assert "etag" not in answer.headers
    assert site("GET", "/sessions/before/messages").headers["x-session-store"] == site.standby
    for path in ("/sessions/unknown", "/sessions/unknown/messages", "/admin/sessions"):
        answer = site("GET", path)
        assert answer.status == 503
        assert answer.json()["retry_after"] >= 1


def test_a_condition_that_cannot_be_checked_is_503(begin, mongod):
    site = begin(mongod.uri + QUICK)
    mongod.kill()
    until_lost(site)
    for header in ({"If-Match": '"x"'}, {"If-Match": "*"}, {"If-None-Match": "*"}):
        assert site("PUT", "/sessions/s", {"messages": []}, headers=header).status == 503
    assert site("POST", "/sessions", {"session_id": "s"}).status == 503


def test_appends_replacements_and_deletions_are_taken_and_kept(begin, mongod):
    site = begin(mongod.uri + QUICK)
    for name in ("appended", "replaced", "deleted", "cleared", "made anew"):
        site.append(name, user("before"))
    mongod.kill()
    until_lost(site)
    site.append("appended", user("a"), user("b"))
    assert site("PUT", path_of("replaced"), {"messages": [user("a")]}).headers["x-session-store"] == site.standby
    site.append("replaced", user("b"))
    assert site("DELETE", path_of("deleted")).status == 204
    assert site("GET", path_of("deleted")).status == 404
    assert site("DELETE", "/session/cleared").json() == {"session_id": "cleared", "status": "cleared"}
    site("DELETE", path_of("made anew"))
    site.append("made anew", user("after"))
    assert health(site)["pending_operations"] >= 7
    mongod.start()
    until(site, **BACK)
    assert site.messages("appended") == [user("before"), user("a"), user("b")]
    assert site.messages("replaced") == [user("a"), user("b")]
    assert site.messages("made anew") == [user("after")]
    for name in ("deleted", "cleared"):
        assert site("GET", path_of(name)).status == 404
    answer = site("GET", path_of("appended"))
    assert answer.headers["x-session-store"] == "mongodb"
    assert "partial" not in answer.json()


def test_what_another_host_has_written_comes_first_and_the_cap_holds(serve, mongod_with_password, standby):
    settings = {"MONGO_DATABASE": f"test-{uuid.uuid4()}", "MAX_SESSION_MESSAGES": 4}
    uri = f"mongodb://{{}}:secret-right@{mongod_with_password.address}/?authSource=admin"
    other = serve(name="other", MONGO_URI=uri.format("worker"), **settings)
    # Refused while the other one is let in: an outage for one host only.
    late = f"late-{standby.store}"
    site = serve(name="refused", MONGO_URI=uri.format(late), **standby.settings, **settings)
    for number in range(3):
        site.append("s", user(f"mine {number}"))
        other.append("s", user(f"other {number}"))
    assert health(other)["mongodb"] == "connected"
    with mongod_with_password.client(username="worker", password="secret-right") as client:
        client.admin.command("createUser", late, pwd="secret-right", roles=["readWriteAnyDatabase"])
    until(site, **BACK)
    for each in (site, other):
        assert each.messages("s") == [user("other 2"), user("mine 0"), user("mine 1"), user("mine 2")]


def test_a_key_from_the_outage_is_remembered_afterwards(begin, mongod):
    site = begin(mongod.uri + QUICK)
    mongod.kill()
    until_lost(site)
    keyed = {"Idempotency-Key": "k"}
    first = site.append("s", user("a"), headers=keyed)
    during = site.append("s", user("a"), headers=keyed)
    mongod.start()
    until(site, **BACK)
    after = site.append("s", user("a"), headers=keyed)
    assert after.headers["x-session-store"] == "mongodb"
    assert first.body == during.body == after.body
    assert [answer.headers.get("idempotency-replayed") for answer in (first, during, after)] == [None, "true", "true"]
    assert site("POST", "/sessions/s/messages", user("b"), headers=keyed).status == 422
    assert site.messages("s") == [user("a")]


def test_the_old_history_route_stays_200(begin, mongod):
    site = begin(mongod.uri + QUICK)
    mongod.kill()
    until_lost(site)
    site.append("known", user("a"))
    for name, messages in [("known", [user("a")]), ("unknown", [])]:
        answer = site("GET", f"/session/{name}/history")
        assert answer.status == 200
        assert answer.headers["x-session-store"] == site.standby
        assert {"session_id": name, "message_count": len(messages), "messages": messages}.items() <= answer.json().items()


def append(site, number, messages):
    path, keyed = f"/sessions/{number}/messages", {"Idempotency-Key": "k"}
    return site("POST", path, {"messages": messages}, headers=keyed)


@standby_only("memory")
@pytest.mark.parametrize("messages", [[user("x" * 250_000)], [user("x")] * 300], ids=["large", "small"])
def test_new_messages_are_refused_when_memory_is_full_and_those_taken_are_kept(begin, mongod, messages):
    site = begin(mongod.uri + QUICK, MEMORY_MAX_BYTES=8_388_608)
    mongod.kill()
    until_lost(site)
    taken = 0
    while (answer := append(site, taken, messages)).status == 201:
        taken += 1
        assert taken < 500
    assert answer.status == 503
    assert answer.json()["retry_after"] >= 1
    assert append(site, taken, messages).status == 503, "a repetition is no way round the bound"
    assert site("GET", "/health/ready").status == 503
    mongod.start()
    until(site, **BACK)
    for number in range(taken):
        assert site.messages(str(number)) == messages
    assert site("GET", f"/sessions/{taken}").status == 404


def test_the_loss_is_warned_of_once_with_its_cause_and_setting(begin, mongod):
    site = begin(mongod.uri + QUICK)
    mongod.kill()
    until_lost(site)
    for _ in range(5):
        site.append("s", user("a"))
    warnings = [line for line in site.log_text().splitlines() if "MongoDB cannot be reached" in line]
    assert len(warnings) == 1
    assert "MONGO_URI" in warnings[0]
    assert f"Failed to connect to target host: {mongod.address}" in warnings[0]


def test_refused_credentials_are_named_and_not_shown(begin, mongod_with_password):
    site = begin(f"mongodb://worker:secret-wrong@{mongod_with_password.address}/?authSource=admin")
    until(site, status="degraded", mongodb="disconnected", store=site.standby)
    assert site.append("s", user("a")).headers["x-session-store"] == site.standby
    warning = next(line for line in site.log_text().splitlines() if "MongoDB cannot be reached" in line)
    assert "uthentication" in warning
    assert "MONGO_URI" in warning
    assert "secret" not in site.log_text()


# Stopping meanwhile


def stop_with_changes_pending(site):
    for number in range(20):
        site.append(f"s-{number}", user("a"), user("b"))
    pending = health(site)["pending_operations"]
    assert pending >= 20
    site.worker.signal(signal.SIGTERM)
    return pending


@standby_only("memory")
def test_a_worker_that_stops_writes_what_is_pending_if_the_database_comes_back_in_time(begin, mongod):
    site = begin(mongod.uri + QUICK, drain=30)
    mongod.kill()
    until_lost(site)
    stop_with_changes_pending(site)
    wait_until(lambda: not site.worker.socket.exists(), "the worker drains")
    mongod.start()
    assert site.worker.wait(30) == 0
    with sessions_of(mongod) as sessions:
        for number in range(20):
            assert sessions.find_one({"_id": f"s-{number}"})["messages"] == [user("a"), user("b")]


@standby_only("memory")
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_stops_says_how_many_changes_it_could_not_write(begin, mongod, fault):
    site = begin(mongod.uri + QUICK, drain=2)
    mongod.signal(fault)
    until_lost(site)
    pending = stop_with_changes_pending(site)
    assert site.worker.wait(10) == 1
    lost = next(line for line in site.log_text().splitlines() if "never written" in line)
    assert f"pending={pending}" in lost
