"""A pool of workers: restarts that no client notices, a worker that is killed, tokens that are changed."""

import concurrent.futures
import http.client
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import uuid

import pytest

from client import Site, path_of, user
from processes import BINARY, Nginx, Worker, environment, start, wait_until

# nginx gives a worker that drains its kept connections back within these times; the ones that are shipped would
# only make the tests longer. test_with_the_times_that_are_shipped_... keeps to them.
BRIEF = [("session-fcgi/http.conf", "keepalive_timeout 3s", "keepalive_timeout 300ms"),
         ("session-fcgi/http.conf", "keepalive_time 5s", "keepalive_time 500ms")]


class PoolWorker(Worker):
    """A worker that tells a service manager, played by the test, when it is ready."""

    listener = None

    def start(self):
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An address in the abstract namespace, which the kernel makes up.
        self.manager.bind("")
        self.manager.settimeout(15)
        address = "@" + self.manager.getsockname()[1:].decode()
        self.process = start(
            self.arguments, self.log, env=environment(NOTIFY_SOCKET=address, **self.settings), stdin=self.listener)
        assert "READY=1" in self.manager.recv(4096).decode().splitlines()

    def drain(self):
        """Stops the worker as a service manager would; it says that it is stopping, and exits with 0."""
        self.signal(signal.SIGTERM)
        assert "STOPPING=1" in self.manager.recv(4096).decode().splitlines()
        assert self.wait(20) == 0, self.log_text()

    def stop(self):
        self.manager.close()
        return super().stop()


class SharingWorker(PoolWorker):
    """A worker that is given its listening socket, which others have as well."""

    def __init__(self, folder, listener, **settings):
        self.listener = listener
        super().__init__(folder, **settings)
        self.socket = listener.getsockname()

    def start(self):
        self.arguments = [BINARY, "serve"]
        super().start()


@pytest.fixture(params=["sockets of their own", "one shared socket", "one shared socket and SQLite"])
def pool(request, started, tmp_path):
    """Three workers on one store behind nginx: `workers, site = pool(**settings)`."""

    def begin(edits=(), **settings):
        settings = {"MAX_SESSION_MESSAGES": 1000, **settings}
        if request.param.endswith("SQLite"):
            settings["STATE_DIRECTORY"] = request.getfixturevalue("state")
        else:
            mongod = request.getfixturevalue("mongod")
            settings |= {"MONGO_URI": mongod.uri, "MONGO_DATABASE": f"pool-{uuid.uuid4()}"}
        names = ("first", "second", "third")
        if request.param.startswith("one shared socket"):
            listener = socket.socket(socket.AF_UNIX)
            request.addfinalizer(listener.close)
            listener.bind(str(tmp_path / "shared.sock"))
            listener.listen(4096)
            workers = [started(SharingWorker, listener, name=name, **settings) for name in names]
            sockets = [listener.getsockname()]
        else:
            workers = [started(PoolWorker, name=name, **settings) for name in names]
            sockets = [worker.socket for worker in workers]
        nginx = started(Nginx, sockets, edits=edits)
        return workers, Site(nginx)

    return begin


class Client:
    """Appends and reads, each request after the answer to the one before, over a connection that is kept or over
    a new one each time. A session that has grown long is compared with what was acknowledged, and a new one begun."""

    def __init__(self, site, keeps_connection, keys, token):
        self.site, self.keeps_connection, self.keys, self.token = site, keeps_connection, keys, token
        self.failures = []
        self.count = 0

    def connect(self):
        address = self.site.base.split("//")[1]
        if self.site.tls:
            self.connection = http.client.HTTPSConnection(
                address, timeout=30, context=ssl.create_default_context(cafile=self.site.certificate))
        else:
            self.connection = http.client.HTTPConnection(address, timeout=30)

    def request(self, method, path, value=None, headers=()):
        if not self.keeps_connection:
            self.connect()
        headers = {"Content-Type": "application/json", **dict(headers)}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token[0]}"
        self.connection.request(method, path, json.dumps(value) if value else None, headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if not self.keeps_connection:
            self.connection.close()
        self.count += 1
        if answer.status >= 400:
            self.failures.append((method, dict(headers).get("Idempotency-Key"), answer.status, body))
        return answer.status, body

    def run(self, stop):
        self.connect()
        while not stop.is_set():
            self.fill_a_session(stop)
        self.connection.close()

    def fill_a_session(self, stop):
        path = path_of(f"session-{uuid.uuid4()}")
        acknowledged, unknown = [], []
        for number in range(200):
            if stop.is_set():
                break
            content = str(number)
            headers = {"Idempotency-Key": content} if next(self.keys) else {}
            status, _ = self.request("POST", f"{path}/messages", user(content), headers)
            (acknowledged if status == 201 else unknown).append(content)
            status, body = self.request("GET", f"{path}/messages?last=1")
            # What a killed worker had sent to MongoDB may still arrive, after what was appended since.
            if status == 200 and not unknown:
                assert json.loads(body)["messages"][0]["content"] == content
        if not acknowledged:
            return
        status, body = self.request("GET", path)
        assert status == 200, body
        stored = [message["content"] for message in json.loads(body)["messages"]]
        assert len(stored) == len(set(stored)), "a message was stored twice"
        assert [content for content in stored if content not in unknown] == acknowledged


class Load:
    """Eight clients at once for as long as the block lasts; `failures` are theirs afterwards."""

    def __init__(self, site, token=None, keys=(True, False)):
        # A kept connection and new ones, with keys and without, each combination twice.
        self.token = token
        self.clients = [Client(site, keeps, itertools.cycle(keys), token) for keeps in (True, False) for _ in range(4)]
        self.stop = threading.Event()

    def __enter__(self):
        self.executor = concurrent.futures.ThreadPoolExecutor(len(self.clients))
        self.running = [self.executor.submit(client.run, self.stop) for client in self.clients]
        self.wait_for_more()
        return self

    def wait_for_more(self):
        """Until each client has had ten more answers."""
        before = [client.count for client in self.clients]

        def all_went_on():
            for future in self.running:
                if future.done():
                    future.result()
            return all(client.count >= count + 10 for client, count in zip(self.clients, before))

        wait_until(all_went_on, "all clients get answers", 30)

    def __exit__(self, *_):
        self.stop.set()
        self.executor.shutdown()
        for future in self.running:
            future.result()
        self.failures = [failure for client in self.clients for failure in client.failures]


def test_no_request_is_lost_while_each_worker_is_restarted_twice(pool):
    workers, site = pool(edits=BRIEF)
    with Load(site) as load:
        for worker in workers * 2:
            worker.drain()
            load.wait_for_more()
            worker.start()
            load.wait_for_more()
    assert load.failures == []
    assert "Stopping with" not in "".join(worker.log_text() for worker in workers)


on_mongodb = pytest.mark.parametrize("pool", ["sockets of their own", "one shared socket"], indirect=True)


@on_mongodb
def test_with_the_times_that_are_shipped_a_worker_drains_within_its_default_time(pool):
    workers, site = pool()
    with Load(site) as load:
        workers[0].drain()
    assert load.failures == []
    assert "Stopping with" not in workers[0].log_text()


def test_under_load_a_killed_worker_costs_no_request_that_may_be_repeated(pool):
    workers, site = pool()
    with Load(site) as load:
        for worker in workers:
            worker.process.kill()
            worker.wait()
            load.wait_for_more()
            worker.start()
            load.wait_for_more()
    # Each was an append without a key that the killed worker held.
    assert [failure for failure in load.failures if failure[:3] != ("POST", None, 502)] == []


def test_a_killed_worker_costs_the_requests_that_it_held_and_no_other(started, mongod):
    settings = {"MONGO_URI": mongod.uri, "MONGO_DATABASE": f"pool-{uuid.uuid4()}"}
    workers = [started(PoolWorker, name=name, **settings) for name in ("first", "second", "third")]
    # One nginx process takes the workers strictly in turn.
    nginx = started(Nginx, [worker.socket for worker in workers],
                    edits=[("nginx.conf", "worker_processes auto", "worker_processes 1")])
    site = Site(nginx)
    workers[0].signal(signal.SIGSTOP)

    def append(number, key):
        headers = {"Idempotency-Key": "k"} if key else None
        return site("POST", f"/sessions/{number}-{key}/messages", user("a"), headers=headers).status

    with concurrent.futures.ThreadPoolExecutor(12) as executor:
        running = {(number, key): executor.submit(append, number, key) for number in range(6) for key in (True, False)}
        wait_until(lambda: sum(future.done() for future in running.values()) == 8, "two workers answer theirs", 10)
        held = {name for name, future in running.items() if not future.done()}
        workers[0].process.kill()
        statuses = {name: future.result() for name, future in running.items()}
    assert statuses == {(number, key): 502 if (number, key) in held and not key else 201 for number, key in running}
    for number, key in running:
        if statuses[number, key] == 201:
            assert len(site.messages(f"{number}-{key}")) == 1
        else:
            assert site("GET", f"/sessions/{number}-{key}").status == 404


@on_mongodb
def test_tokens_are_changed_under_load_and_no_request_is_refused(pool, tmp_path):
    tokens, admin = tmp_path / "tokens", tmp_path / "admin"
    admin.write_text("first-admin")
    tokens.write_text("first")
    workers, site = pool(API_TOKENS_FILE=tokens, ADMIN_TOKEN_FILE=admin)
    rounds = itertools.count(1)

    def publish(*valid):
        tokens.write_text("\n".join(valid))
        reads = 2 * next(rounds)
        for worker in workers:
            worker.signal(signal.SIGHUP)
        for worker in workers:
            wait_until(lambda: worker.log_text().count("Read tokens again.") == reads, "the tokens are read")

    token = ["first"]
    with Load(site, token) as load:
        for old, new in (("first", "second"), ("second", "third")):
            publish(old, new)
            token[0] = new
            load.wait_for_more()
            admin.write_text(f"{new}-admin")
            publish(new)
            load.wait_for_more()
            assert site("GET", "/sessions/any", token=old).status == 401
            assert site("GET", "/admin/sessions", token=f"{old}-admin").status == 401
            assert site("GET", "/admin/sessions", token=f"{new}-admin").status == 200
    assert load.failures == []


def test_a_second_worker_on_one_socket_refuses_to_keep_sessions_in_memory(started, tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "shared.sock"))
        listener.listen()
        first = started(SharingWorker, listener, name="first")
        assert " warning " in first.log_text()
        second = subprocess.run([BINARY, "serve"], env=environment(), stdin=listener, capture_output=True, timeout=20)
        assert second.returncode == 78
        assert b"SESSION_STORE" in second.stderr
        first.drain()
        first.start()


def test_the_watchdog_hears_from_a_worker_twice_as_often_as_it_asks(started):
    worker = started(PoolWorker, WATCHDOG_USEC=1_000_000)
    for _ in range(3):
        worker.manager.settimeout(5)
        assert worker.manager.recv(4096) == b"WATCHDOG=1"


def test_a_service_manager_is_told_over_a_socket_with_a_path_too(started, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(15)
        started(Worker, NOTIFY_SOCKET=tmp_path / "notify", WATCHDOG_USEC=1_000_000, WATCHDOG_PID=os.getpid())
        assert b"READY=1" in manager.recv(4096).splitlines()
        # The watchdog is somebody else's.
        manager.settimeout(2)
        with pytest.raises(TimeoutError):
            manager.recv(4096)
