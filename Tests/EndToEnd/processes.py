"""The programs under test and beside it, each started in a folder of its own."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid

import pymongo

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SESSION_FCGI_BIN", ROOT / ".build/release/session-fcgi")).resolve()
# Debian keeps nginx where only root's PATH looks.
os.environ["PATH"] += ":/usr/sbin"


def wait_until(condition, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return result


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def accepts(address):
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as client:
        return client.connect_ex(address) == 0


def start(arguments, log, **options):
    """Starts a process that is told apart from the tests' own when signals are sent."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            [str(argument) for argument in arguments], stdout=output, stderr=output, start_new_session=True, **options)


class Process:
    """A child that is waited for, and whose log is shown when it did not behave."""

    process = None
    log = None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def stop(self):
        """Ends the process whatever state it is in; its exit status."""
        if self.process.poll() is None:
            # One that a test has stopped hears nothing else.
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def until_it_accepts(self, address):
        def ready():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.log_text()}"
            return accepts(address)

        wait_until(ready, f"{type(self).__name__} accepts on {address}:\n{self.log_text()}")

    def log_text(self):
        return self.log.read_text(errors="replace")


def environment(**settings):
    """What a worker is given: its settings, and nothing of the tests' own environment that could be one."""
    return {"PATH": os.environ["PATH"], **{name: str(value) for name, value in settings.items()}}


def run(*arguments, seconds=20, **settings):
    """A command of the program that ends by itself."""
    return subprocess.run(
        [BINARY, *map(str, arguments)], env=environment(**settings), capture_output=True, text=True, timeout=seconds)


class Worker(Process):
    def __init__(self, folder, *arguments, name="worker", **settings):
        self.socket = folder / f"{name}.sock"
        self.log = folder / f"{name}.log"
        self.arguments = [BINARY, "serve", "--listen", f"unix:{self.socket}", *arguments]
        self.settings = settings
        self.start()

    def start(self):
        self.process = start(self.arguments, self.log, env=environment(**self.settings))
        self.until_it_accepts(str(self.socket))

    def memory(self):
        """The resident memory in bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024


class Nginx(Process):
    """nginx with the configuration that is shipped. `edits` maps a file's name to replacements in it."""

    def __init__(self, folder, sockets, name="nginx", edits=(), main="nginx.conf", limits=False):
        self.folder = folder / name
        self.log = self.folder / "error.log"
        self.access_log = self.folder / "access.log"
        self.http_port, self.https_port = free_port(), free_port()
        self.certificate = self.folder / "certificate.pem"
        shutil.copytree(ROOT / "nginx", self.folder)
        shutil.copy(ROOT / "nginx/openapi.yaml", self.folder / "session-fcgi")
        self.log.touch()
        self._make_certificate()

        lines = [f"server unix:{path} max_fails=0;\n" for path in sockets]
        # One shared socket is listed twice, as shipped.
        (self.folder / "session-fcgi/servers.conf").write_text("".join(lines * 2 if len(lines) == 1 else lines))
        self._edit("session-fcgi/server.conf", "/usr/share/session-fcgi", str(self.folder / "session-fcgi"))
        if not limits:
            self._edit("session-fcgi/limits.conf", "rate=100r/s", "rate=100000r/s")
            self._edit("session-fcgi/limits.conf", "rate=50r/s", "rate=100000r/s")
        if main == "nginx.conf":
            self._edit(main, "@HTTP_PORT@", str(self.http_port))
            self._edit(main, "@HTTPS_PORT@", str(self.https_port))
        for name, old, new in edits:
            self._edit(name, old, new)

        identity = "user root;" if os.geteuid() == 0 else ""
        self.arguments = [
            "nginx", "-p", f"{self.folder}/", "-c", main, "-e", "error.log", "-g", f"daemon off; {identity}"]
        self.process = start(self.arguments, self.log)
        self.until_it_accepts(("127.0.0.1", self.http_port))

    def _edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    def _make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.folder / "key.pem", "-out", self.certificate],
            check=True, capture_output=True)


class Mongod(Process):
    """MongoDB's own server, on a port of its own; a replica set of one where asked for."""

    def __init__(self, folder, *arguments, name="mongod", replica_set=None, starts=True):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = folder / f"{name}.log"
        self.uri = f"mongodb://{self.address}/" + (f"?replicaSet={replica_set}" if replica_set else "")
        binary = os.environ.get("TEST_MONGOD") or shutil.which("mongod") or ROOT / ".build/mongod/mongod"
        (folder / name).mkdir(parents=True)
        self.arguments = [
            binary, "--port", self.port, "--bind_ip", "127.0.0.1", "--dbpath", folder / name,
            "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", *arguments]
        if replica_set:
            self.arguments += ["--replSet", replica_set]
        if starts:
            self.start()
        if starts and replica_set:
            initiate(replica_set, [self])

    def start(self):
        self.process = start(self.arguments, self.log)
        self.until_it_accepts(("127.0.0.1", self.port))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """An orderly end takes long, and what is stored is of no use any more."""
        if self.process:
            self.kill()

    @contextlib.contextmanager
    def client(self, **options):
        client = pymongo.MongoClient(f"mongodb://{self.address}/", directConnection=True, **options)
        try:
            yield client
        finally:
            client.close()

    @contextlib.contextmanager
    def database(self):
        """A new database, which goes afterwards."""
        with self.client() as client:
            name = f"test-{uuid.uuid4()}"
            try:
                yield client[name]
            finally:
                client.drop_database(name)

    def settings(self, database):
        """What a worker is told to use that database."""
        return {"MONGO_URI": self.uri, "MONGO_DATABASE": database.name}


def initiate(name, members):
    """Makes a replica set of servers that were started for it, and waits for its primary."""
    with members[0].client() as client:
        addresses = [{"_id": number, "host": member.address} for number, member in enumerate(members)]
        # Elections after a second instead of ten.
        settings = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 500}
        client.admin.command("replSetInitiate", {"_id": name, "members": addresses, "settings": settings})
    wait_until(lambda: primary_of(members), "a primary", 30)


def primary_of(members):
    """The member that is the primary now, if one is."""
    for member in members:
        with contextlib.suppress(pymongo.errors.PyMongoError), member.client(serverSelectionTimeoutMS=500) as client:
            if client.admin.command("hello")["isWritablePrimary"]:
                return member
    return None
