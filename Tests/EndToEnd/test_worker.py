"""The worker as a process: sockets, signals and settings."""

import concurrent.futures
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from client import Site, user
from processes import BINARY, Nginx, Process, Worker, environment, free_port, run, start, wait_until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_exits_with_0_and_takes_its_socket_away(serve, number):
    site = serve()
    assert site("GET", "/health").status == 200
    site.worker.signal(number)
    assert site.worker.wait(15) == 0
    assert not site.worker.socket.exists()


def test_requests_during_a_restart_are_answered_by_the_other_worker(started):
    workers = [started(Worker, name=name) for name in ("first", "second")]
    site = Site(started(Nginx, [worker.socket for worker in workers]))
    stop = False

    def client(name):
        statuses = []
        while not stop or len(statuses) < 20:
            statuses.append(site("POST", f"/sessions/{name}/messages", user("a")).status)
            statuses.append(site("GET", "/health").status)
        return statuses

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        running = [pool.submit(client, name) for name in range(4)]
        try:
            for worker in workers:
                worker.signal(signal.SIGTERM)
                assert worker.wait(15) == 0
                worker.start()
        finally:
            stop = True
        statuses = [status for client in running for status in client.result()]
    assert set(statuses) == {200, 201}


def test_a_second_signal_ends_a_draining_worker_at_once(started):
    worker = started(Worker, "--drain-seconds", "60")
    with socket.socket(socket.AF_UNIX) as kept:
        kept.connect(str(worker.socket))
        wait_until(lambda: os.path.exists(worker.socket), "the worker listens")
        # FCGI_BEGIN_REQUEST with FCGI_KEEP_CONN and no more: a request that is on its way.
        kept.sendall(bytes([1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]))
        worker.signal(signal.SIGTERM)
        wait_until(lambda: not worker.socket.exists(), "the worker drains")
        assert worker.process.poll() is None
        worker.signal(signal.SIGTERM)
        assert worker.wait(5) == 1


def test_the_socket_is_for_owner_and_group_only(started):
    worker = started(Worker)
    assert stat.S_IMODE(worker.socket.stat().st_mode) == 0o660
    worker = started(Worker, "--socket-mode", "0600", name="private")
    assert stat.S_IMODE(worker.socket.stat().st_mode) == 0o600


def test_a_stale_socket_is_replaced(started):
    worker = started(Worker)
    worker.process.kill()
    worker.wait()
    assert worker.socket.exists()
    worker.start()


def test_a_live_socket_is_an_error(started):
    worker = started(Worker)
    second = run("serve", "--listen", f"unix:{worker.socket}")
    assert second.returncode not in (0, 78)
    assert str(worker.socket) in second.stderr
    worker.until_it_accepts(str(worker.socket))


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "file"
    path.write_text("precious")
    assert run("serve", "--listen", f"unix:{path}").returncode != 0
    assert path.read_text() == "precious"


def test_a_loopback_address_is_served(started):
    port = free_port()

    class TCPWorker(Worker):
        def start(self):
            self.arguments[3] = f"127.0.0.1:{port}"
            self.process = start(self.arguments, self.log, env=environment())
            self.until_it_accepts(("127.0.0.1", port))

    started(TCPWorker)
    nginx = started(Nginx, ["unused"], edits=[("session-fcgi/servers.conf", "unix:unused", f"127.0.0.1:{port}")])
    assert Site(nginx)("GET", "/health").status == 200


@pytest.mark.parametrize("address", ["0.0.0.0:9000", "[::]:9000", "192.0.2.7:9000"])
def test_an_address_beyond_loopback_is_refused(address):
    done = run("serve", "--listen", address)
    assert done.returncode != 0
    assert address in done.stderr


class Inherited(Process):
    """A worker that is given a listening socket instead of a path."""

    def __init__(self, folder, descriptor):
        self.socket, self.log = folder / "inherited.sock", folder / "inherited.log"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        listener.listen()
        if descriptor == 0:
            self.process = start([BINARY, "serve"], self.log, env=environment(), stdin=listener)
        else:
            # The shell knows its own process id before it becomes the worker.
            script = f'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "{BINARY}" serve'
            self.process = start(["sh", "-c", script], self.log, env=environment(), stdin=listener)
        listener.close()
        self.until_it_accepts(str(self.socket))


@pytest.mark.parametrize("descriptor", [0, 3])
def test_an_inherited_socket_is_served_and_left_in_place(started, descriptor):
    worker = started(Inherited, descriptor)
    site = Site(started(Nginx, [worker.socket]))
    assert site("GET", "/health").status == 200
    worker.signal(signal.SIGTERM)
    assert worker.wait(15) == 0
    assert worker.socket.exists()


def test_spawn_fcgi_starts_a_worker(tmp_path, started):
    path, pid_file = tmp_path / "spawned.sock", tmp_path / "pid"
    subprocess.run(
        ["spawn-fcgi", "-s", path, "-P", pid_file, "--", BINARY, "serve"], check=True, env=environment(),
        capture_output=True)
    try:
        assert Site(started(Nginx, [path]))("GET", "/health").status == 200
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGTERM)


FAULTY = {
    "MONGO_URI": "http://example.org", "SESSION_STORE": "disk", "MONGO_FALLBACK": "maybe", "MAX_SESSION_MESSAGES": "0",
    "SESSION_TTL_SECONDS": "-1", "MAX_MESSAGE_BYTES": "1.5", "MAX_BODY_BYTES": "x", "MEMORY_MAX_BYTES": "1",
    "ENABLE_TEST_ROUTES": "perhaps", "LOG_LEVEL": "loud", "LOG_FORMAT": "xml", "MAX_SESSION_BYTES": "99999999999",
    "JOURNAL_MAX_BYTES": "1", "STATE_DIRECTORY": "/nonexistent",
}


@pytest.mark.parametrize("command", ["check", "serve"])
def test_bad_settings_exit_with_78_and_a_line_for_each(command, tmp_path):
    listen = ["--listen", f"unix:{tmp_path}/never.sock"] if command == "serve" else []
    done = run(command, *listen, **FAULTY)
    assert done.returncode == 78
    for name in FAULTY:
        assert sum(name in line for line in done.stderr.splitlines()) == 1, name


@pytest.mark.parametrize("settings, name", [
    ({"MAX_SESSION_BYTES": 15 << 20}, "MAX_SESSION_BYTES"),
    ({"SESSION_STORE": "mongodb"}, "SESSION_STORE"),
    ({"SESSION_STORE": "sqlite"}, "SESSION_STORE"),
    ({"MONGO_FALLBACK": "disk", "MONGO_URI": "mongodb://127.0.0.1/"}, "MONGO_FALLBACK"),
    ({"ADMIN_TOKEN": "a", "ADMIN_TOKEN_FILE": "/dev/null"}, "ADMIN_TOKEN"),
    ({"API_TOKENS_FILE": "/nonexistent"}, "API_TOKENS_FILE"),
])
def test_settings_that_contradict_each_other_exit_with_78(settings, name):
    done = run("check", **settings)
    assert done.returncode == 78
    assert name in done.stderr


def test_check_prints_the_settings_and_hides_secrets():
    done = run("check", ADMIN_TOKEN="hidden-1", API_TOKENS="hidden-2,hidden-3", SESSION_STORE="memory",
               MONGO_URI="mongodb://user:hidden-4@db.example.org/?authSource=hidden-5")
    assert done.returncode == 0, done.stderr
    assert "hidden-" not in done.stdout + done.stderr
    for name in ("MONGO_URI", "ADMIN_TOKEN", "MAX_SESSION_MESSAGES=30", "db.example.org"):
        assert name in done.stdout


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / "env"
    file.write_text("# a comment\nMAX_SESSION_MESSAGES=5\n\nSESSION_TTL_SECONDS=60\n")
    done = run("check", "--env-file", file, MAX_SESSION_MESSAGES=7)
    assert "MAX_SESSION_MESSAGES=7" in done.stdout
    assert "SESSION_TTL_SECONDS=60" in done.stdout
    assert run("check", "--env-file", tmp_path / "missing").returncode == 78


def test_the_version_is_told():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.strip()


def test_many_silent_and_idle_connections_delay_nobody(serve):
    site = serve("--threads", "2")
    silent = []
    try:
        for _ in range(250):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(site.worker.socket))
            silent.append(connection)
        began = time.monotonic()
        for _ in range(10):
            assert site("GET", "/health").status == 200
        assert time.monotonic() - began < 3
    finally:
        for connection in silent:
            connection.close()


def test_one_that_stops_in_the_middle_of_a_request_is_cut_off(serve):
    site = serve("--threads", "1", "--request-timeout", "1")
    with socket.socket(socket.AF_UNIX) as half:
        half.connect(str(site.worker.socket))
        half.sendall(bytes([1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]) + bytes([1, 4, 0, 1, 0, 200, 0, 0]))
        half.settimeout(10)
        assert site("GET", "/health").status == 200
        try:
            assert half.recv(1) == b""
        except ConnectionResetError:
            pass
