"""What nginx itself answers, refuses, repeats and writes down."""

import concurrent.futures
import json
import re
import signal
import socket
import subprocess

import pytest

from client import Answer, Site, check_answer, curl, path_of, user
from processes import Nginx, Worker, free_port, wait_until


def raw(port, request):
    """The answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, body = received.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines[1:])}
    answer = Answer(int(lines[0].split()[1]), "1.1", headers, body)
    check_answer(answer)
    return answer


@pytest.mark.parametrize("request_bytes, status", [
    (b"NONSENSE\r\n\r\n", 400),
    (b"GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /../.. HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\n\r\n", 400),
    (b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    (b"TRACE /health HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"POST /sessions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    (b"GET /health HTTP/9.0\r\n\r\n", 505),
], ids=lambda value: str(value)[:40])
def test_what_is_not_http_is_a_problem(shared, request_bytes, status):
    assert raw(shared.nginx.http_port, request_bytes).status == status


def test_plain_http_on_the_tls_port_is_a_problem(shared):
    assert raw(shared.nginx.https_port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 400


def test_internal_paths_are_404(site):
    for path in ("/.session-fcgi/problem", "/.session-fcgi/retry"):
        assert site("GET", path).status == 404


def test_the_request_id_of_nginx_is_handed_on(site, shared):
    request_id = site("GET", "/health/live").headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    wait_until(lambda: request_id in shared.log_text() and request_id in shared.nginx.access_log.read_text(), "both logs")


def test_too_many_requests_from_an_address_are_429(serve):
    edits = [("session-fcgi/limits.conf", "rate=100r/s", "rate=1r/m"),
             ("session-fcgi/server.conf", "burst=200", "burst=2")]
    site = serve(limits=True, edits=edits)
    answers = [site("GET", f"/sessions/{number}") for number in range(5)]
    assert [answer.status for answer in answers] == [404, 404, 404, 429, 429]
    assert answers[-1].json()["retry_after"] >= 1
    assert site("GET", "/health").status == 200


def test_too_many_requests_for_a_session_are_429(serve):
    edits = [("session-fcgi/limits.conf", "rate=50r/s", "rate=1r/m"),
             ("session-fcgi/server.conf", "burst=100", "burst=2")]
    site = serve(limits=True, edits=edits)
    assert [site("GET", "/sessions/busy/messages").status for _ in range(4)] == [404, 404, 404, 429]
    assert site("GET", "/sessions/other/messages").status == 404


def test_without_a_worker_the_answer_is_502(serve):
    site = serve()
    site.worker.stop()
    answer = site("GET", "/health")
    assert answer.status == 502
    assert answer.json()["retry_after"] >= 1
    site.worker.start()
    assert site("GET", "/health").status == 200


def test_a_worker_that_does_not_answer_is_504(serve):
    edits = [("session-fcgi/fastcgi.conf", "fastcgi_read_timeout 15s", "fastcgi_read_timeout 500ms")]
    site = serve(edits=edits)
    site.worker.signal(signal.SIGSTOP)
    answer = site("POST", "/sessions/s/messages", user("a"))
    site.worker.signal(signal.SIGCONT)
    assert answer.status == 504
    assert answer.json()["retry_after"] >= 1


def two_workers(started, **options):
    workers = [started(Worker, name=name) for name in ("first", "second")]
    nginx = started(Nginx, [worker.socket for worker in workers], **options)
    return workers, nginx, Site(nginx)


def test_a_request_that_a_stopped_worker_could_not_take_goes_to_another(started):
    workers, _, site = two_workers(started)
    workers[0].stop()
    for number in range(6):
        assert site("POST", f"/sessions/{number}/messages", user("a")).status == 201


# One nginx process takes the workers strictly in turn.
SHORT = [("session-fcgi/fastcgi.conf", "fastcgi_read_timeout 15s", "fastcgi_read_timeout 500ms"),
         ("nginx.conf", "worker_processes auto", "worker_processes 1")]


def statuses_with_one_worker_hanging(started, headers):
    """Each of six appends, half of which a worker takes that then says nothing."""
    workers, nginx, site = two_workers(started, edits=SHORT)
    workers[0].signal(signal.SIGSTOP)
    answers = [site("POST", f"/sessions/{n}/messages", user("a"), headers=headers) for n in range(6)]
    workers[0].signal(signal.SIGCONT)
    return [answer.status for answer in answers]


def test_an_append_with_a_key_is_sent_to_another_worker(started):
    assert statuses_with_one_worker_hanging(started, {"Idempotency-Key": "k"}) == [201] * 6


def test_an_append_without_a_key_is_never_sent_twice(started):
    assert sorted(statuses_with_one_worker_hanging(started, {})) == [201] * 3 + [504] * 3


def test_a_key_on_another_route_or_in_a_query_makes_no_difference(started):
    workers, nginx, site = two_workers(started, edits=SHORT)
    workers[0].signal(signal.SIGSTOP)
    forged = {"Idempotency-Key": "/sessions/x/messages k"}
    found = [site("POST", "/sessions?x=/sessions/x/messages", {}, headers=forged).status for _ in range(4)]
    workers[0].signal(signal.SIGCONT)
    assert sorted(found) == [201, 201, 504, 504]


def test_a_slow_reader_of_a_large_session_gets_all_of_it(site, session_id):
    for _ in range(8):
        site.append(session_id, user("x" * 250_000))
    answer = curl(site.base + path_of(session_id), "--limit-rate", "1M")
    assert len(answer.json()["messages"]) == 8
    site("DELETE", path_of(session_id))


def test_many_clients_at_once_lose_nothing(both, session_id):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: both.append(session_id, user(str(number))), range(30)))
    assert {message["content"] for message in both.messages(session_id)} == {str(number) for number in range(30)}


def test_the_access_log_is_json_without_queries_and_tokens(site, shared, session_id):
    nginx = shared.nginx
    answer = site("GET", f"{path_of(session_id)}?last=1&x=query-secret", token="token-secret",
                  headers={"Idempotency-Key": "key-secret"})
    request_id = answer.headers["x-request-id"]
    line = wait_until(lambda: next((line for line in nginx.access_log.read_text().splitlines() if request_id in line),
                                   None), "a line in the log")
    entry = json.loads(line)
    assert entry["method"] == "GET"
    assert entry["path"] == path_of(session_id)
    assert entry["status"] == 404
    assert entry["upstream_status"] == "404"
    assert entry["store"] == shared.store
    assert isinstance(entry["duration"], (int, float))
    assert "secret" not in nginx.access_log.read_text()


def test_every_line_of_the_access_log_is_json(shared):
    nginx = shared.nginx
    for target in (b"/\xff", b'/"', b"/\\", b"/a?\xff"):
        raw(nginx.http_port, b"GET " + target + b" HTTP/1.0\r\n\r\n")
    with socket.create_connection(("127.0.0.1", nginx.http_port), 10) as old:
        old.sendall(b"GET /health\r\n\r\n")
        assert json.loads(old.recv(65536))["status"] == "ok"
    lines = nginx.access_log.read_bytes().splitlines()
    assert lines
    for line in lines:
        json.loads(line)


def test_a_refused_post_is_logged_as_a_post(site, shared, session_id):
    answer = site("POST", path_of(session_id) + "/messages", body=b" " * 3_000_000)
    entry = wait_until(lambda: next((json.loads(line) for line in shared.nginx.access_log.read_text().splitlines()
                                     if answer.headers["x-request-id"] in line), None), "a line in the log")
    assert (entry["method"], entry["status"]) == ("POST", 413)


@pytest.fixture
def production(started):
    """The site file for production, on ports that a test may have."""
    worker = started(Worker)
    http, https = free_port(), free_port()

    class ProductionNginx(Nginx):
        def _edit(self, name, old, new):
            if name == "session-fcgi/server.conf" and old == "/usr/share/session-fcgi":
                self.http_port, self.https_port = http, https
                # The site file belongs inside http { }, next to the distribution's own settings.
                (self.folder / "production.conf").write_text(
                    "pid nginx.pid; error_log error.log; events { } http { " + "".join(
                        f"{kind}_temp_path temp-{kind}; " for kind in
                        ("client_body", "fastcgi", "proxy", "scgi", "uwsgi")) + "include site.conf; }")
            super()._edit(name, old, new)

    nginx = started(ProductionNginx, [worker.socket], main="production.conf", edits=[
        ("site.conf", "listen 80;", f"listen 127.0.0.1:{http};"),
        ("site.conf", "listen [::]:80;", ""),
        ("site.conf", "listen 443 ssl http2;", f"listen 127.0.0.1:{https} ssl http2;"),
        ("site.conf", "listen [::]:443 ssl http2;", ""),
        ("site.conf", "/etc/ssl/session-fcgi/fullchain.pem", "certificate.pem"),
        ("site.conf", "/etc/ssl/session-fcgi/privkey.pem", "key.pem"),
        ("site.conf", "/var/log/nginx/session-fcgi.log", "access.log")])
    return nginx


def test_plain_http_is_redirected_to_https(production):
    answer = curl(f"http://127.0.0.1:{production.http_port}/sessions/a%2Fb?last=1", "-H", "Host: sessions.example.org")
    assert answer.status == 301
    assert answer.headers["location"] == "https://sessions.example.org/sessions/a%2Fb?last=1"


@pytest.mark.parametrize("path, status", [
    ("/health", 200), ("/openapi.yaml", 200), ("/nothing", 404), ("/.session-fcgi/problem", 404)])
def test_the_site_asks_for_https_in_every_answer(production, path, status):
    site = Site(production, tls=True)
    answer = site("GET", path)
    assert answer.status == status
    assert answer.headers["strict-transport-security"] == "max-age=63072000"


@pytest.mark.parametrize("version, taken", [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)])
def test_only_current_versions_of_tls_are_spoken(production, version, taken):
    # Security level 0 lets the client offer the old versions at all.
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{production.https_port}", f"-{version}",
         "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True)
    assert (done.returncode == 0) == taken, done.stdout.decode()
