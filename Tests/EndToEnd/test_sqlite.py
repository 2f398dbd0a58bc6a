"""Workers of one host that share sessions in an SQLite file."""

import concurrent.futures
import fcntl
import itertools
import os
import pathlib
import random
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
import requests

from client import Site, path_of, user
from load import Load
from processes import Nginx, run, wait_until
from sqlite_file import changing, check_file, holder, reading, was_in_a_checkpoint


@pytest.fixture
def file(state):
    return state / "sessions.sqlite"


@pytest.fixture
def begin(serve, state):
    """Three workers on one file: `site = begin(**settings)`."""

    def begin(workers=3, **settings):
        return serve(workers=workers, STATE_DIRECTORY=state, MAX_SESSION_MESSAGES=1000, **settings)

    return begin


def kill(workers):
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.wait()


def start(workers):
    for worker in workers:
        worker.start()


def all_sessions(site):
    """The messages of every session, as clients see them."""
    found, cursor = {}, ""
    with requests.Session() as client:
        while cursor is not None:
            page = client.get(f"{site.base}/admin/sessions?limit=500{cursor and '&cursor=' + cursor}").json()
            for session in page["sessions"]:
                name = session["session_id"]
                found[name] = client.get(site.base + path_of(name)).json()["messages"]
            cursor = page["next_cursor"]
    return found


# Restarts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_sessions_live_through_the_end_of_all_workers(begin, file, number):
    site = begin()
    keyed = {"Idempotency-Key": "k"}
    first = site.append("s", user("a"), headers=keyed)
    tag = site("GET", "/sessions/s").headers["etag"]
    for worker in site.workers:
        worker.signal(number)
    for worker in site.workers:
        assert worker.wait() == (0 if number == signal.SIGTERM else -number)
    check_file(file)
    start(site.workers)
    answer = site("GET", "/sessions/s")
    assert answer.headers["x-session-store"] == "sqlite"
    assert answer.headers["etag"] == tag
    assert answer.json()["messages"] == [user("a")]
    again = site.append("s", user("a"), headers=keyed)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.body == first.body
    assert site("GET", "/health").json()["active_sessions"] == 1


def test_whoever_is_not_the_owner_cannot_read_what_is_kept(begin, state):
    before = os.umask(0)
    try:
        site = begin()
        site.append("s", user("a"))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
    assert modes == dict.fromkeys(("sessions.sqlite", "sessions.sqlite-wal", "sessions.sqlite-shm"), 0o600)


# Killed under load


class Replacer(threading.Thread):
    """A client that replaces large sessions again and again, so that there is much to carry over from the log."""

    SESSIONS = 16

    def __init__(self, site):
        super().__init__()
        self.base = site.base
        self.is_over = threading.Event()
        # The numbers of the last replacements that were acknowledged, and of the last that were sent.
        self.acknowledged, self.sent = [0] * self.SESSIONS, [0] * self.SESSIONS
        self.filling = ["x" * 200_000] * 4
        self.failure = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join()

    def run(self):
        try:
            with requests.Session() as client:
                for number in itertools.count(1):
                    if self.is_over.is_set():
                        return
                    self.replace(client, number % self.SESSIONS, number)
        except Exception as failure:
            self.failure = failure

    def replace(self, client, session, number):
        self.sent[session] = number
        messages = [user(content) for content in [*self.filling, str(number)]]
        try:
            if client.put(f"{self.base}/sessions/large-{session}", json={"messages": messages}, timeout=30).ok:
                self.acknowledged[session] = number
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            # Of a worker that was killed.
            pass

    def check(self, sessions):
        """Takes its sessions out of all that there are."""
        assert self.failure is None
        for session, (acknowledged, sent) in enumerate(zip(self.acknowledged, self.sent)):
            messages = sessions.pop(f"large-{session}", [])
            if acknowledged:
                assert [message["content"] for message in messages[:-1]] == self.filling
                assert acknowledged <= int(messages[-1]["content"]) <= sent


# Kills processes as soon as a file is written to, which only checkpoints do.
KILLER = """
import os, signal, sys
before = os.stat(sys.argv[1]).st_mtime_ns
while os.stat(sys.argv[1]).st_mtime_ns == before:
    pass
for process in sys.argv[2:]:
    os.kill(int(process), signal.SIGKILL)
"""


def kill_in_a_checkpoint(file, workers):
    """Kills all workers, most times in a checkpoint. Returns whether it was in one."""
    subprocess.run(
        [sys.executable, "-c", KILLER, file, *[str(worker.process.pid) for worker in workers]], check=True, timeout=60)
    for worker in workers:
        worker.wait()
    return was_in_a_checkpoint(file)


def test_whenever_workers_are_killed_nothing_acknowledged_is_lost(begin, file):
    site = begin()
    chance = random.Random(10)
    checkpoints = 0
    with Load(site.base) as load, Replacer(site) as replacer:
        load.until_taken(50, "sqlite")
        for _ in range(12):
            victims = chance.sample(site.workers, chance.choice([1, 2, 3]))
            load.until_taken(chance.randrange(5, 40), "sqlite")
            time.sleep(chance.random() / 20)
            kill(victims)
            start(victims)
        for _ in range(15):
            checkpoints += kill_in_a_checkpoint(file, site.workers)
            start(site.workers)
            if checkpoints == 4:
                break
        load.until_taken(50, "sqlite")
    assert checkpoints == 4
    kill(site.workers)
    check_file(file)
    start(site.workers)
    sessions = all_sessions(site)
    replacer.check(sessions)
    load.check_contents(sessions)
    # Only a dead worker may have kept an acknowledged message from being read.
    assert {told.status for *_, told in load.missed} <= {0, 502}
    assert {told.status for told in load.answers} <= {0, 200, 201, 502}


# A worker that stands still


@pytest.fixture
def of_others(started):
    """The same service by some of its workers only."""

    def begin(workers):
        return Site(started(Nginx, [worker.socket for worker in workers], name="others"))

    return begin


def stop_with_the_lock(workers, state):
    """Stops one worker while it holds the lock of the host."""
    for worker in workers * 300:
        worker.signal(signal.SIGSTOP)
        status = pathlib.Path(f"/proc/{worker.process.pid}/stat")
        wait_until(lambda: status.read_text().rsplit(")")[1].split()[0] == "T", "the worker stands still")
        if holder(state) == worker.process.pid:
            return worker
        worker.signal(signal.SIGCONT)
        time.sleep(0.003)
    raise AssertionError("no worker was met with the lock")


def timed(call, *arguments):
    began = time.monotonic()
    answer = call(*arguments)
    return answer, time.monotonic() - began


def check_that_writes_end_in_503(site):
    """Many clients at once are told within some seconds, and health and reads go on meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        writes = [pool.submit(timed, site, "POST", f"/sessions/new-{number}/messages", user("a")) for number in range(12)]
        while not all(write.done() for write in writes):
            for path in ("/health", "/health/live", "/sessions/known", "/sessions/known/messages"):
                answer, seconds = timed(site, "GET", path)
                assert (answer.status, seconds < 1) == (200, True), path
    for write in writes:
        answer, seconds = write.result()
        assert answer.status == 503
        assert answer.headers["retry-after"]
        assert seconds < 8


def test_a_worker_that_stands_still_with_the_lock_holds_up_writes_only(begin, state, file, of_others):
    site = begin()
    site.append("known", user("a"))
    with Load(site.base) as load, Replacer(site) as replacer:
        load.until_taken(20, "sqlite")
        still = stop_with_the_lock(site.workers, state)
        others = of_others([worker for worker in site.workers if worker is not still])
        check_that_writes_end_in_503(others)
        still.signal(signal.SIGCONT)
        assert wait_until(lambda: others("POST", "/sessions/after/messages", user("a")).status == 201, "writes go on")
        load.until_taken(50, "sqlite")
    kill(site.workers)
    check_file(file)
    start(site.workers)
    sessions = all_sessions(site)
    replacer.check(sessions)
    load.check_contents(sessions)
    assert not [name for name in sessions if name.startswith("new-")], "what was refused was not written"


def test_writes_wait_some_seconds_for_the_lock_of_the_host(begin, state):
    site = begin()
    site.append("known", user("a"))
    with open_folder(state) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        check_that_writes_end_in_503(site)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(site, "POST", "/sessions/patient/messages", user("a"))
            # A worker that has the file open waits for it, too.
            wait_until(lambda: b" -> FLOCK" in pathlib.Path("/proc/locks").read_bytes(), "somebody waits for the lock")
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert waiting.result().status == 201
    assert all_sessions(site) == {"known": [user("a")], "patient": [user("a")]}


def test_a_worker_cannot_start_while_another_stands_still_with_the_lock(begin, state, tmp_path):
    site = begin(workers=1)
    with open_folder(state) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("serve", "--listen", f"unix:{tmp_path}/second.sock", STATE_DIRECTORY=state)
    assert done.returncode == 78
    assert str(state) in done.stderr
    assert site.append("s", user("a")).status == 201


class open_folder:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.descriptor = os.open(self.path, os.O_RDONLY)
        return self.descriptor

    def __exit__(self, *_):
        os.close(self.descriptor)


# Files that were touched


@pytest.mark.parametrize("name", ["sessions.sqlite", "sessions.sqlite-wal"])
def test_nothing_is_acknowledged_once_a_file_was_moved_away(begin, state, file, name):
    site = begin()
    with Load(site.base) as load:
        load.until_taken(50, "sqlite")
        (state / name).rename(state / "elsewhere")
        moved = time.monotonic()
        wait_until(lambda: all(site("GET", "/health/ready").status == 503 for _ in range(12)), "no worker is ready")
        wait_until(lambda: sum(told.began > moved for told in load.answers) > 100, "requests go on")
    # What was acknowledged before may be read still.
    assert {told.status for told in load.answers if told.began > moved} <= {200, 503}
    assert "was moved, removed or replaced" in site.log_text()
    for _ in site.workers:
        answer = site("GET", "/health")
        assert (answer.status, answer.json()["status"]) == (200, "degraded")
    # Put back, it holds all that was acknowledged.
    kill(site.workers)
    (state / "elsewhere").rename(state / name)
    start(site.workers)
    load.check_contents(all_sessions(site))
    check_file(file)


def damage_header(file):
    with open(file, "r+b") as damaged:
        damaged.write(b"\0" * 64)


def cut(file):
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize("damage", [damage_header, cut])
def test_a_damaged_file_is_named_at_the_start_and_left_as_it_is(begin, state, file, damage):
    site = begin()
    site.append("s", *[user("x" * 10_000)] * 10)
    kill(site.workers)
    with changing(file) as connection:
        connection.execute("SELECT * FROM sessions")
    damage(file)
    check_that_it_is_refused(site, state, file)


def remove(file):
    file.unlink()


def empty(file):
    os.truncate(file, 0)


@pytest.mark.parametrize("damage", [remove, empty])
def test_a_log_without_its_file_is_not_thrown_away(begin, state, file, damage):
    site = begin()
    site.append("s", user("a"))
    kill(site.workers)
    damage(file)
    check_that_it_is_refused(site, state, file)


def check_that_it_is_refused(site, state, file):
    def contents():
        # An empty log beside it is nothing.
        files = {path.name: path.read_bytes() for path in state.iterdir() if not path.name.endswith("-shm")}
        return {name: content for name, content in files.items() if content or name == file.name}

    before = contents()
    done = run(*site.worker.arguments[1:], seconds=5, STATE_DIRECTORY=state)
    assert done.returncode == 78
    assert str(file) in done.stderr
    assert "left as it is" in done.stderr
    assert contents() == before


def test_a_file_of_a_newer_release_is_refused_and_one_that_has_only_more_is_not(begin, state, file):
    site = begin()
    site.append("s", user("a"))
    kill(site.workers)
    with changing(file) as connection:
        connection.execute("PRAGMA user_version=7")
        connection.execute("CREATE TABLE later (one INTEGER PRIMARY KEY, two TEXT) STRICT")
    start(site.workers)
    site.append("s", user("b"))
    assert site.messages("s") == [user("a"), user("b")]
    kill(site.workers)
    with changing(file) as connection:
        connection.execute("UPDATE totals SET compatible_from = 7")
    done = run(*site.worker.arguments[1:], seconds=5, STATE_DIRECTORY=state)
    assert done.returncode == 78
    assert str(file) in done.stderr
    assert "newer" in done.stderr


def test_a_database_of_another_program_is_refused(state, file, tmp_path):
    with changing(file) as connection:
        connection.execute("CREATE TABLE other (one)")
    done = run("serve", "--listen", f"unix:{tmp_path}/never.sock", STATE_DIRECTORY=state)
    assert done.returncode == 78
    assert str(file) in done.stderr


# Folders


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


@pytest.fixture
def mounted(tmp_path):
    """A file system of its own: `folder = mounted("size=8m")`."""
    folders = []

    def mount(options):
        folder = tmp_path / f"mounted-{len(folders)}"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", "--lazy", folder], check=True)


def check_that_the_folder_is_refused(folder, reason, tmp_path):
    for command in (["check"], ["serve", "--listen", f"unix:{tmp_path}/never.sock"]):
        done = run(*command, STATE_DIRECTORY=folder)
        assert done.returncode == 78, command
        assert f"STATE_DIRECTORY: {folder}" in done.stderr
        assert reason in done.stderr


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    check_that_the_folder_is_refused(tmp_path / "missing", "No such file or directory", tmp_path)
    (tmp_path / "file").touch()
    check_that_the_folder_is_refused(tmp_path / "file", "not a folder", tmp_path)


@needs_root
def test_a_folder_that_cannot_be_written_to_is_refused(mounted, tmp_path):
    check_that_the_folder_is_refused(mounted("ro"), "Read-only file system", tmp_path)


@needs_root
def test_a_full_disk_refuses_writes_until_there_is_room_again(serve, mounted):
    folder = mounted("size=6m")
    site = serve(workers=3, STATE_DIRECTORY=folder)
    site.append("known", user("a"))
    taken = []
    with requests.Session() as client:
        def append(number):
            messages = {"messages": [user(str(number)), user("x" * 100_000)]}
            return client.post(f"{site.base}/sessions/{number}/messages", json=messages, timeout=30).status_code

        while (status := append(len(taken))) == 201:
            taken.append(len(taken))
            assert len(taken) < 200
        assert status == 503
        # All three are asked.
        for _ in range(6):
            answer = site("POST", "/sessions/more/messages", user("x" * 100_000))
            assert answer.status == 503
            assert answer.json()["retry_after"] >= 1
            assert site.messages("known") == [user("a")]
            assert site("GET", "/health").status == 200
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
        for number in range(len(taken), len(taken) + 6):
            assert append(number) == 201
            taken.append(number)
        kill(site.workers)
        check_file(folder / "sessions.sqlite")
        start(site.workers)
        for number in taken:
            assert site.messages(str(number))[0] == user(str(number))
    assert site("GET", "/sessions/more").status == 404


# Time


def test_a_session_expires_to_the_moment_and_leaves_the_file(begin, file):
    site = begin(SESSION_TTL_SECONDS=1)
    with requests.Session() as client:
        url = f"{site.base}/sessions/s"
        for _ in range(2):
            for number in range(3):
                before = time.time()
                answer = client.post(f"{url}/messages", json=user("a"), headers={"Idempotency-Key": str(number)})
                after = time.time()
                assert answer.json()["message_count"] == number + 1, "one that has expired is made afresh"
            while True:
                asked = time.time()
                status = client.get(url).status_code
                answered = time.time()
                # Times of sessions are in milliseconds.
                if answered < before + 0.998:
                    assert status == 200
                elif asked > after + 1.002:
                    assert status == 404
                    break
    for number in range(600):
        client.put(f"{site.base}/sessions/{number}", json={"messages": [user("a")]})

    def rows():
        with reading(file) as connection:
            return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                    for table in ("sessions", "messages", "keys")]

    wait_until(lambda: rows() == [0, 0, 0], "expired sessions leave the file")
    wait_until(lambda: all(site("GET", "/health").json()["active_sessions"] == 0 for _ in range(6)), "none is counted")
    check_file(file)


def fill(site, file, count, age_days):
    """Sessions that were last changed so many days ago, more of them than are deleted at once."""
    kill(site.workers)
    updated_at = int((time.time() - age_days * 86_400) * 1000)
    with changing(file) as connection:
        connection.execute("BEGIN")
        for number in range(count):
            (last,) = connection.execute(
                "UPDATE totals SET next_number = next_number + 1, sessions = sessions + 1 RETURNING next_number").fetchone()
            place = (last << 27) + 1
            connection.execute("INSERT INTO sessions VALUES (?, ?, ?, 29, ?, ?)",
                               (f"old-{number:04}".encode(), place, place + 1, updated_at, updated_at))
            connection.execute("INSERT INTO messages VALUES (?, ?)", (place, b'{"role":"user","content":"a"}'))
        connection.execute("COMMIT")
    start(site.workers)


def test_cleanup_deletes_what_is_old_and_the_command_does_so_beside_workers(begin, state, file):
    site = begin(SESSION_TTL_SECONDS=0)
    site.append("new", user("a"))
    fill(site, file, 600, age_days=10)
    assert site.messages("old-0599") == [user("a")]
    route = "/admin/cleanup-sessions?days="
    assert site("POST", f"{route}11").json()["deleted_sessions"] == 0
    assert site("POST", f"{route}9&dry_run=true").json()["deleted_sessions"] == 600
    assert site("POST", f"{route}9").json()["deleted_sessions"] == 600
    fill(site, file, 300, age_days=10)
    tried = run("cleanup", "--days", 9, "--dry-run", STATE_DIRECTORY=state, SESSION_TTL_SECONDS=0)
    assert (tried.returncode, "300 sessions" in tried.stdout) == (0, True), tried.stderr
    done = run("cleanup", "--days", 9, STATE_DIRECTORY=state, SESSION_TTL_SECONDS=0)
    assert (done.returncode, "300 sessions" in done.stdout) == (0, True), done.stderr
    site.append("new", user("b"))
    assert all_sessions(site) == {"new": [user("a"), user("b")]}
    wait_until(lambda: all(site("GET", "/health").json()["active_sessions"] == 1 for _ in range(6)), "one is counted")
    check_file(file)


def test_the_pages_of_a_listing_hold_each_session_once_though_all_are_of_one_moment(begin, file):
    site = begin()
    fill(site, file, 23, age_days=1)
    site.append("new", user("a"))
    names, cursor = [], ""
    while cursor is not None:
        page = site("GET", f"/admin/sessions?limit=5{cursor and '&cursor=' + cursor}").json()
        names.append([session["session_id"] for session in page["sessions"]])
        cursor = page["next_cursor"]
    assert [len(page) for page in names] == [5, 5, 5, 5, 4]
    assert sum(names, []) == ["new", *[f"old-{number:04}" for number in reversed(range(23))]]


# Settings


def test_check_prints_where_sessions_are_kept(state):
    done = run("check", STATE_DIRECTORY=state)
    assert done.returncode == 0, done.stderr
    for line in (f"STATE_DIRECTORY={state}", "SESSION_STORE=auto (sqlite)", "JOURNAL_MAX_BYTES=268435456"):
        assert line in done.stdout.splitlines()
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("settings, store", [({}, "sqlite"), ({"SESSION_STORE": "sqlite"}, "sqlite"),
                                             ({"SESSION_STORE": "memory"}, "memory")])
def test_the_store_is_the_one_that_was_asked_for(serve, state, settings, store):
    site = serve(STATE_DIRECTORY=state, **settings)
    assert site.append("s", user("a")).headers["x-session-store"] == store
    assert site("GET", "/health").json()["store"] == store
    assert (state / "sessions.sqlite").exists() == (store == "sqlite")
