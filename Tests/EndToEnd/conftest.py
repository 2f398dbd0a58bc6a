import contextlib
import functools
import shutil
import uuid
from typing import NamedTuple

import pytest

from client import Site
from processes import BINARY, Mongod, Nginx, Worker


def pytest_collection_modifyitems(items):
    """What nginx makes of HTTP and TLS is the same on each store: on memory both are tried, on the others one."""
    again = [{"shared": "mongodb", "both": "http"}.items(), {"shared": "sqlite", "both": "https"}.items()]
    items[:] = [item for item in items if not (
        hasattr(item, "callspec") and any(one <= item.callspec.params.items() for one in again))]


@pytest.fixture(scope="session", autouse=True)
def programs_are_there():
    """A missing program is a failure: a skipped end-to-end test looks too much like one that passed."""
    assert BINARY.is_file(), f"{BINARY} is missing: make build"
    for name in ("nginx", "curl", "openssl"):
        assert shutil.which(name), f"{name} is missing: deploy/install-dependencies --test"


@pytest.fixture
def started(tmp_path):
    """Starts a program and ends it with the test: `started(Worker, MAX_SESSION_MESSAGES=3)`."""
    running = []

    def begin(kind, *arguments, **options):
        process = kind(tmp_path, *arguments, **options)
        running.append(process)
        return process

    yield begin
    for process in reversed(running):
        process.stop()


@pytest.fixture
def serve(started):
    """A worker of its own behind an nginx of its own, for one test: `site = serve(ADMIN_TOKEN="t")`."""

    def begin(*arguments, name="worker", workers=1, edits=(), limits=False, tls=False, **settings):
        running = [started(Worker, *arguments, name=f"{name}-{number}", **settings) for number in range(workers)]
        nginx = started(Nginx, [worker.socket for worker in running], name=f"{name}-nginx", edits=edits, limits=limits)
        site = Site(nginx, tls=tls)
        site.worker, site.workers, site.nginx = running[0], running, nginx
        return site

    return begin


@pytest.fixture(scope="session")
def mongod(tmp_path_factory):
    """One server for all tests, each of which has a database of its own there."""
    server = Mongod(tmp_path_factory.mktemp("mongod"), replica_set="tests")
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def database(mongod):
    """A database of the test's own, as PyMongo has it."""
    with mongod.database() as database:
        yield database


@pytest.fixture(scope="session")
def mongod_with_password(tmp_path_factory):
    """A server that lets in nobody but the user `worker`, by the password `secret-right`."""
    server = Mongod(tmp_path_factory.mktemp("mongod"), "--auth")
    try:
        with server.client() as client:
            client.admin.command("createUser", "worker", pwd="secret-right", roles=["root"])
        yield server
    finally:
        server.stop()


class Shared(NamedTuple):
    """Workers on one store, behind one nginx."""

    store: str
    nginx: Nginx
    workers: list

    def log_text(self):
        return "".join(worker.log_text() for worker in self.workers)


@pytest.fixture(scope="session", params=["memory", "sqlite", "mongodb"])
def shared(tmp_path_factory, request):
    """Workers with default settings, for all tests that leave them as they are: one on memory, then three on one SQLite
    file, then two on MongoDB."""
    folder = tmp_path_factory.mktemp("shared")
    settings = {"ENABLE_TEST_ROUTES": "true", "LOG_FORMAT": "json"}
    with contextlib.ExitStack() as stack:
        names = ["worker"]
        if request.param == "sqlite":
            names = ["first", "second", "third"]
            settings["STATE_DIRECTORY"] = tmp_path_factory.mktemp("state")
        if request.param == "mongodb":
            names = ["first", "second"]
            mongod = request.getfixturevalue("mongod")
            settings |= mongod.settings(stack.enter_context(mongod.database()))
        workers = []
        for name in names:
            workers.append(Worker(folder, name=name, **settings))
            stack.callback(workers[-1].stop)
        nginx = Nginx(folder, [worker.socket for worker in workers])
        stack.callback(nginx.stop)
        yield Shared(request.param, nginx, workers)


@pytest.fixture
def site(shared):
    return Site(shared.nginx)


@pytest.fixture(params=["http", "https"])
def both(shared, request):
    """The service over plain HTTP/1.1, then over TLS and HTTP/2."""
    return Site(shared.nginx, tls=request.param == "https")


@pytest.fixture
def state(tmp_path):
    """A folder of a host that its workers share."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
def serve_each(serve, request):
    """As `serve`, on each store: one worker on memory, then three on SQLite, then two on MongoDB."""
    if request.param == "memory":
        return serve
    if request.param == "sqlite":
        return functools.partial(serve, workers=3, STATE_DIRECTORY=request.getfixturevalue("state"))
    mongod, database = request.getfixturevalue("mongod"), request.getfixturevalue("database")
    return functools.partial(serve, workers=2, **mongod.settings(database))


@pytest.fixture
def session_id():
    return f"session-{uuid.uuid4()}"
