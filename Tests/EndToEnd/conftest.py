import shutil
import uuid

import pytest

from client import Site
from processes import BINARY, Mongod, Nginx, Worker


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

    def begin(*arguments, edits=(), limits=False, tls=False, **settings):
        worker = started(Worker, *arguments, **settings)
        nginx = started(Nginx, [worker.socket], edits=edits, limits=limits)
        site = Site(nginx, tls=tls)
        site.worker, site.nginx = worker, nginx
        return site

    return begin


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One worker on the memory store with default settings, for all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("shared")
    worker = Worker(folder, ENABLE_TEST_ROUTES="true", LOG_FORMAT="json")
    try:
        nginx = Nginx(folder, [worker.socket])
        try:
            yield worker, nginx
        finally:
            nginx.stop()
    finally:
        worker.stop()


@pytest.fixture
def site(shared):
    return Site(shared[1])


@pytest.fixture(params=["http", "https"])
def both(shared, request):
    """The service over plain HTTP/1.1, then over TLS and HTTP/2."""
    return Site(shared[1], tls=request.param == "https")


@pytest.fixture
def session_id():
    return f"session-{uuid.uuid4()}"


@pytest.fixture(scope="session")
def mongod(tmp_path_factory):
    server = Mongod(tmp_path_factory.mktemp("mongod"), replica_set="tests")
    yield server
    server.stop()
