"""What holds on MongoDB only: what requests cost there, other writers, indexes, and the commands."""

import datetime
import signal

import bson
import pytest

from client import path_of, user
from processes import Mongod, free_port, initiate, primary_of, run, wait_until


# What reads and writes cost


def commands(database):
    """The commands on the sessions that workers have sent since the profiler was started, but for those of the watch."""
    by_requests = {"ns": f"{database.name}.sessions", "appName": "session-fcgi", "command.count": None}
    return [entry["command"] for entry in database["system.profile"].find(by_requests)]


def test_every_request_on_a_session_costs_one_command(serve, mongod, database, session_id):
    site = serve(**mongod.settings(database))
    wait_until(lambda: "session_ttl" in database.sessions.index_information(), "the index is there")
    requests = [
        ("POST", "/messages", user("first")), ("POST", "/messages", user("next")),
        ("POST", "/messages", {"messages": [user("a"), user("b")]}), ("GET", "", None), ("GET", "?last=1", None),
        ("GET", "/messages", None), ("PUT", "", {"messages": [user("new")]}), ("DELETE", "", None)]
    database.command("profile", 2)
    for number, (method, path, value) in enumerate(requests):
        keyed = {"Idempotency-Key": str(number)} if method == "POST" else {}
        assert site(method, path_of(session_id) + path, value, headers=keyed).status < 300
        assert len(commands(database)) == number + 1, commands(database)
    database.command("profile", 0)


# Other writers on the same collection


class PythonService:
    """Keeps sessions as the Python service does that this one replaces."""

    def __init__(self, sessions):
        self.sessions = sessions

    def history(self, session_id):
        document = self.sessions.find_one({"_id": session_id})
        return document["messages"] if document else []

    def append(self, session_id, message):
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        if self.sessions.find_one({"_id": session_id}) is None:
            self.sessions.insert_one({"_id": session_id, "messages": [message], "created_at": now, "updated_at": now})
            return
        self.sessions.update_one({"_id": session_id}, {"$push": {"messages": message}, "$set": {"updated_at": now}})
        messages = self.history(session_id)
        if len(messages) > 30:
            self.sessions.update_one({"_id": session_id}, {"$set": {"messages": messages[-30:], "updated_at": now}})


@pytest.fixture
def moving(serve, mongod, database):
    """A worker, and the Python service on the same collection."""
    return serve(**mongod.settings(database)), PythonService(database.sessions)


@pytest.mark.parametrize("worker_begins", [True, False])
def test_the_python_service_and_the_worker_go_on_with_each_others_sessions(moving, session_id, worker_begins):
    site, service = moving
    written = []
    # Over the cap, so that both cut what the other one wrote.
    for number in range(40):
        message = {"role": "user", "content": str(number), "metadata": {"number": number, "share": 0.5}}
        written = [*written, message][-30:]
        if (number % 2 == 0) == worker_begins:
            assert site.append(session_id, message).json()["message_count"] == len(written)
        else:
            service.append(session_id, message)
        assert site.messages(session_id) == written
        assert service.history(session_id) == written


def test_a_session_of_the_python_service_has_its_times(moving, session_id):
    site, service = moving
    created = datetime.datetime(2024, 1, 15, 10, 0, 0, 123_000)
    updated = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    service.sessions.insert_one({"_id": session_id, "messages": [], "created_at": created, "updated_at": updated})
    session = site("GET", path_of(session_id)).json()
    assert session["created_at"] == "2024-01-15T10:00:00.123Z"
    assert session["updated_at"] == f"{updated:%Y-%m-%dT%H:%M:%S}.{updated.microsecond // 1000:03}Z"


def test_a_change_by_the_python_service_changes_the_entity_tag(moving, session_id):
    site, service = moving
    site.append(session_id, user("a"))
    tag = site("GET", path_of(session_id)).headers["etag"]
    service.append(session_id, user("b"))
    answer = site("PUT", path_of(session_id), {"messages": []}, headers={"If-Match": tag})
    assert answer.status == 412
    assert service.history(session_id) == [user("a"), user("b")]


NOW = datetime.datetime.now(datetime.timezone.utc)
TIMES = {"created_at": NOW, "updated_at": NOW}
ODD_DOCUMENTS = {
    "nothing": {},
    "no messages": TIMES,
    "messages of null": {"messages": None, **TIMES},
    "messages as text": {"messages": "text", **TIMES},
    "messages as object": {"messages": {"0": user("a")}, **TIMES},
    "messages that are none": {"messages": [1, None, "text", [], {"content": "no role"}, {}], **TIMES},
    "times as text": {"messages": [user("a")], "created_at": "2024", "updated_at": "2024"},
    "times of null": {"messages": [user("a")], "created_at": None, "updated_at": None},
    "no times": {"messages": [user("a")]},
    "fields of ours of other types": {
        "messages": [user("a")], **TIMES, "seq": "text", "prior": [], "recent_keys": "text", "recent_ops": 7},
    "fields of ours that hold nothing of ours": {
        "messages": [user("a")], **TIMES, "seq": -5, "recent_keys": [1, None, {"k": 1}], "recent_ops": "x"},
    "types that JSON lacks": {"messages": [{
        **user("a"), "date": NOW, "id": bson.ObjectId(), "decimal": bson.Decimal128("1.10"), "binary": b"\x00\xff",
        "expression": bson.Regex("a.*", "i"), "code": bson.Code("f()"), "time": bson.Timestamp(1, 2),
        "least": bson.MinKey(), "greatest": bson.MaxKey(), "infinite": float("inf"), "none": float("nan"),
        "long": bson.Int64(2**62)}], **TIMES},
    "a date out of range": {"messages": [], "created_at": bson.DatetimeMS(2**62), "updated_at": NOW},
}


@pytest.mark.parametrize("last", ["", "?last=1"])
def test_a_document_that_another_writer_left_odd_breaks_nothing(serve, mongod, database, last):
    site = serve(**mongod.settings(database))
    for name, document in ODD_DOCUMENTS.items():
        database.sessions.insert_one({"_id": name, **document})
    for key in (bson.ObjectId(), 7, None, {"a": 1}, "", "x" * 300, "line\nfeed"):
        database.sessions.insert_one({"_id": key, "messages": [user("a")], **TIMES})
    for name in ODD_DOCUMENTS:
        for path in (path_of(name) + last, f"{path_of(name)}/messages{last}"):
            answer = site("GET", path)
            assert answer.status in (200, 404), name
            assert answer.status == 404 or isinstance(answer.json()["messages"], list), name
        history = site("GET", path_of(name).replace("/sessions/", "/session/") + "/history")
        assert history.status == 200, name
    listed, cursor = set(), ""
    while cursor is not None:
        page = site("GET", f"/admin/sessions?limit=2{cursor and '&cursor=' + cursor}")
        assert page.status == 200
        listed |= {session["session_id"] for session in page.json()["sessions"]}
        cursor = page.json()["next_cursor"]
    assert {"no messages", "messages as text", "types that JSON lacks"} <= listed
    assert site("POST", "/admin/cleanup-sessions?days=1").status == 200


def test_an_odd_document_takes_messages(serve, mongod, database):
    site = serve(**mongod.settings(database))
    for name, document in ODD_DOCUMENTS.items():
        database.sessions.insert_one({"_id": name, **document})
        for replayed in (None, "true"):
            answer = site.append(name, user("added"), headers={"Idempotency-Key": "k"})
            assert answer.headers["x-session-store"] == "mongodb", name
            assert answer.headers.get("idempotency-replayed") == replayed, name
        assert site.messages(name)[-1] == user("added"), name


def test_types_that_json_lacks_come_as_text(serve, mongod, database):
    site = serve(**mongod.settings(database))
    moment = datetime.datetime(2024, 1, 15, 10, 0, tzinfo=datetime.timezone.utc)
    odd = {"date": moment, "id": bson.ObjectId("5f0000000000000000000000"), "decimal": bson.Decimal128("1.10")}
    database.sessions.insert_one({"_id": "s", "messages": [{**user("a"), **odd}], **TIMES})
    message = site.messages("s")[0]
    assert message["date"] == "2024-01-15T10:00:00.000Z"
    assert message["id"] == "5f0000000000000000000000"
    assert float(message["decimal"]) == 1.1


# Indexes


@pytest.mark.parametrize("before", [None, {}, {"expireAfterSeconds": 60}, {"name": "session_ttl", "expireAfterSeconds": 5}])
@pytest.mark.parametrize("ttl, name", [(3600, "session_ttl"), (0, "updated_at_1")])
def test_exactly_one_index_on_the_time_of_change_remains(serve, mongod, database, before, ttl, name):
    if before is not None:
        database.sessions.create_index("updated_at", **before)
    site = serve(workers=2, SESSION_TTL_SECONDS=ttl, **mongod.settings(database))

    def others():
        return {key: value for key, value in database.sessions.index_information().items() if key != "_id_"}

    def is_in_order():
        return set(others()) == {name} and others()[name].get("expireAfterSeconds", 0) == ttl

    wait_until(is_in_order, "the indexes are in order")
    wait_until(lambda: site("GET", "/health").json()["ttl_seconds"] == ttl, "the time to live is told")


# Commands


def test_check_describes_a_server_in_order(mongod, database):
    done = run("check", **mongod.settings(database))
    assert done.returncode == 0, done.stderr
    for part in ("replica set tests (primary)", "session_ttl", "µs"):
        assert part in done.stdout
    assert "Problem" not in done.stdout


FAULTS = {
    "nobody listens": ("mongodb://worker:secret@127.0.0.1:{free}/", "Nothing listens"),
    "a wrong password": ("mongodb://worker:secret-wrong@{guarded}/", "does not take the user name or password"),
    "no credentials": ("mongodb://{guarded}/", "readWrite"),
    "an unknown host": ("mongodb://worker:secret@host.invalid/", "not known"),
    "TLS where there is none": ("mongodb://worker:secret@{guarded}/?tls=true", "encrypted connection"),
}


@pytest.mark.parametrize("uri, advice", FAULTS.values(), ids=FAULTS)
def test_check_names_the_fault_and_the_setting_and_no_secret(mongod_with_password, uri, advice):
    done = run("check", MONGO_URI=uri.format(free=free_port(), guarded=mongod_with_password.address))
    assert done.returncode == 1
    assert advice in done.stdout
    assert "MONGO_URI" in done.stdout.split("Problem: ")[1]
    assert "secret" not in done.stdout + done.stderr


def test_the_cleanup_command_deletes_what_is_old(mongod, database):
    def insert(name, days):
        time = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days)
        database.sessions.insert_one({"_id": name, "messages": [], "created_at": time, "updated_at": time})

    for number in range(3):
        insert(f"old-{number}", 10)
    insert("new", 1)
    settings = {"SESSION_TTL_SECONDS": 0, **mongod.settings(database)}
    tried = run("cleanup", "--days", 5, "--dry-run", **settings)
    assert (tried.returncode, "3 sessions" in tried.stdout) == (0, True), tried.stderr
    assert database.sessions.count_documents({}) == 4
    done = run("cleanup", "--days", 5, **settings)
    assert (done.returncode, "3 sessions" in done.stdout) == (0, True), done.stderr
    assert [document["_id"] for document in database.sessions.find()] == ["new"]


def test_the_cleanup_command_says_why_it_cannot(tmp_path):
    done = run("cleanup", "--days", 5, MONGO_URI=f"mongodb://worker:secret@127.0.0.1:{free_port()}/")
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "secret" not in done.stdout + done.stderr


# What a primary tells whose majority has left it


def test_a_read_shows_only_what_a_majority_has(serve, started):
    members = [started(Mongod, "--replSet", "three", name=f"member-{number}") for number in range(3)]
    initiate("three", members)
    primary = wait_until(lambda: primary_of(members), "a primary")
    with primary.client() as client:
        # It is to stay the primary for as long as the others are stopped.
        config = client.admin.command("replSetGetConfig")["config"]
        config["settings"]["electionTimeoutMillis"] = 60_000
        config["version"] += 1
        client.admin.command("replSetReconfig", config)
    uri = f"mongodb://{','.join(member.address for member in members)}/?replicaSet=three"
    site = serve(MONGO_URI=uri)
    plain = serve(name="plain", MONGO_URI=uri + "&readConcernLevel=local")
    site.append("s", user("everywhere"))
    with primary.client(w=1) as client:
        others = [member for member in members if member is not primary]
        for member in others:
            member.signal(signal.SIGSTOP)
        alone = {"$push": {"messages": user("alone")}}
        assert client.pharmai.sessions.update_one({"_id": "s"}, alone).modified_count == 1
        assert site.messages("s") == [user("everywhere")]
        # What the address says wins.
        assert plain.messages("s") == [user("everywhere"), user("alone")]
        for member in others:
            member.signal(signal.SIGCONT)
        wait_until(lambda: site.messages("s") == [user("everywhere"), user("alone")], "a majority has it")
