"""The example configurations of deploy/ as far as one machine can run them."""

import shutil
import subprocess

import pytest

from client import Site, curl, path_of, user
from processes import ROOT, Nginx, Worker, wait_until


def openssl(folder, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path):
    """A folder with a certificate authority, and certificates of it for the entrance and the hosts."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(tmp_path, "req", "-x509", *key, "-days", "2", "-subj", "/CN=authority",
            "-keyout", "internal-ca.key", "-out", "internal-ca.pem")
    for name in ("entrance", "host"):
        openssl(tmp_path, "req", *key, "-subj", "/CN=sessions.internal", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (tmp_path / "extensions").write_text("subjectAltName=DNS:sessions.internal")
        openssl(tmp_path, "x509", "-req", "-in", f"{name}.csr", "-CA", "internal-ca.pem", "-CAkey", "internal-ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "extensions", "-out", f"{name}.pem")
    return tmp_path


class Example(Nginx):
    """nginx with one of the example files as its site, on loopback and on ports that a test may have."""

    def __init__(self, folder, name, sockets, replacements):
        self.example = ROOT / "deploy" / name
        self.replacements = replacements
        super().__init__(folder, sockets, main="example.conf")

    def _make_certificate(self):
        super()._make_certificate()
        text = self.example.read_text()
        for old, new in self.replacements(self):
            assert old in text, f"{self.example} has no {old!r}"
            text = text.replace(old, new)
        (self.folder / "site.conf").write_text(text)
        temporary = " ".join(
            f"{kind}_temp_path temp-{kind};" for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
        (self.folder / "example.conf").write_text(
            f"pid nginx.pid; error_log error.log; events {{ }} http {{ {temporary} include site.conf; }}")


def host(started, authority, name, worker):
    folder = authority / name
    folder.mkdir()

    return started(lambda _, *arguments: Example(folder, *arguments), "nginx/host.conf", [worker.socket], lambda nginx: [
        ("10.0.0.11:8443", f"127.0.0.1:{nginx.https_port}"), ("127.0.0.1:8080", f"127.0.0.1:{nginx.http_port}"),
        ("10.0.0.10", "127.0.0.1"), ("/etc/ssl/session-fcgi", str(authority)),
        ("/var/log/nginx/session-fcgi.log", "access.log")])


@pytest.fixture
def two_hosts(started, authority, mongod):
    settings = {"MONGO_URI": mongod.uri, "MONGO_DATABASE": f"two-hosts-{authority.name}"[:60], "ADMIN_TOKEN": "admin"}
    workers = [started(Worker, name=name, **settings) for name in ("one", "two")]
    hosts = [host(started, authority, f"host-{worker.socket.stem}", worker) for worker in workers]
    folder = authority / "entrance"
    folder.mkdir()
    entrance = started(lambda _, *arguments: Example(folder, *arguments), "nginx/entrance.conf", [], lambda nginx: [
        ("10.0.0.11:8443", f"127.0.0.1:{hosts[0].https_port}"), ("10.0.0.12:8443", f"127.0.0.1:{hosts[1].https_port}"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{nginx.https_port} ssl http2; listen 127.0.0.1:{nginx.http_port};"),
        ("listen [::]:443 ssl http2;", ""),
        ("/etc/ssl/session-fcgi/fullchain.pem", "certificate.pem"), ("/etc/ssl/session-fcgi/privkey.pem", "key.pem"),
        ("/etc/ssl/session-fcgi", str(authority))])
    return Site(entrance, tls=True), hosts, workers


def test_two_hosts_behind_one_nginx_are_one_service(two_hosts):
    site, hosts, workers = two_hosts
    # An id that only the raw target tells apart.
    session_id = "a/b ä//%2F"
    for number in range(10):
        site.append(session_id, user(str(number)), headers={"Idempotency-Key": str(number)} if number % 2 else None)
    assert [message["content"] for message in site.messages(session_id)] == [str(number) for number in range(10)]
    for worker in workers:
        wait_until(lambda: "Answered a request." in worker.log_text(), "both hosts have had requests")


def test_one_of_two_hosts_may_go(two_hosts):
    site, hosts, workers = two_hosts
    hosts[0].stop()
    for number in range(6):
        site.append("s", user(str(number)))
    assert len(site.messages("s")) == 6


def test_nobody_but_the_entrance_reaches_a_host(two_hosts, authority):
    site, hosts, workers = two_hosts
    bare = curl(f"https://localhost:{hosts[0].https_port}/health", "-k")
    assert bare.status == 400
    with_certificate = curl(f"https://localhost:{hosts[0].https_port}/health", "-k", "--cert", authority / "entrance.pem",
                            "--key", authority / "entrance.key")
    assert with_certificate.status == 200


def test_administration_is_closed_at_the_entrance_and_open_on_a_host(two_hosts):
    site, hosts, workers = two_hosts
    assert curl(site.base + "/admin/sessions", "-k", "-H", "Authorization: Bearer admin").status == 404
    local = Site(hosts[0])
    assert local("GET", "/admin/sessions", token="admin").status == 200


def test_the_configuration_for_containers_serves(started, tmp_path):
    names = ("worker-1", "worker-2", "worker-3")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    workers = [started(Worker, name=name, STATE_DIRECTORY=state) for name in names]
    shutil.copy(ROOT / "deploy/compose/servers.conf", tmp_path / "servers.conf")
    text = (tmp_path / "servers.conf").read_text()
    for worker in workers:
        assert worker.socket.name in text
    nginx = started(Example, "compose/default.conf", [worker.socket for worker in workers], lambda nginx: [
        ("listen 8080;", f"listen 127.0.0.1:{nginx.http_port};"), ("/dev/stdout", "access.log")])
    site = Site(nginx)
    for number in range(6):
        site.append("s", user(str(number)))
        assert [message["content"] for message in site.messages("s")] == [str(n) for n in range(number + 1)]
