import signal

import pytest

from client import Site, user
from processes import Nginx, Worker, wait_until

# nginx believes this header in these tests only, so that a client can seem to come from anywhere.
FROM_ANYWHERE = [(
    "session-fcgi/server.conf", "server_tokens off;",
    "server_tokens off; set_real_ip_from 127.0.0.0/8; real_ip_header X-Client-Address;")]
# The worker's own check is reached only with nginx's taken away.
NGINX_OPEN = [*FROM_ANYWHERE, ("session-fcgi/server.conf", "deny all;", "allow all;")]
ELSEWHERE = {"X-Client-Address": "192.0.2.7"}
ADMIN = [("GET", "/admin/sessions"), ("POST", "/admin/cleanup-sessions")]


@pytest.fixture(scope="module")
def protected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("protected")
    worker = Worker(folder, ADMIN_TOKEN="admin-secret", API_TOKENS="first-secret,second-secret")
    nginx = Nginx(folder, [worker.socket])
    site = Site(nginx)
    site.worker = worker
    yield site
    nginx.stop()
    worker.stop()


SESSION_ROUTES = [
    ("POST", "/sessions", None), ("GET", "/sessions/s", None), ("PUT", "/sessions/s", {"messages": []}),
    ("DELETE", "/sessions/s", None), ("GET", "/sessions/s/messages", None),
    ("POST", "/sessions/s/messages", user("a")), ("GET", "/session/s/history", None), ("DELETE", "/session/s", None),
]


@pytest.mark.parametrize("method, path, value", SESSION_ROUTES)
def test_session_routes_need_one_of_the_tokens(protected, method, path, value):
    for token in (None, "wrong", "first-secret,second-secret", "first-secre", "first-secrett", "admin-secret"):
        answer = protected(method, path, value, token=token)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert b"secret" not in answer.body
    for token in ("first-secret", "second-secret"):
        assert protected(method, path, value, token=token).status in (200, 201, 204, 404)


@pytest.mark.parametrize("authorization", ["first-secret", "Basic first-secret", "Bearer", "Bearer ", "Bearerfirst-secret"])
def test_another_authorization_is_401(protected, authorization):
    assert protected("GET", "/sessions/s", headers={"Authorization": authorization}).status == 401


@pytest.mark.parametrize("method, path", ADMIN)
def test_admin_routes_need_the_admin_token(protected, method, path):
    for token in (None, "wrong", "first-secret"):
        assert protected(method, path, token=token).status == 401
    assert protected(method, path, token="admin-secret").status == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/openapi.yaml"])
def test_health_needs_no_token(protected, path):
    assert protected("GET", path).status == 200


def test_a_refused_request_changes_nothing(protected):
    protected("POST", "/sessions/kept/messages", user("a"), token="first-secret")
    protected("DELETE", "/sessions/kept")
    assert protected("GET", "/sessions/kept", token="first-secret").status == 200


@pytest.mark.parametrize("method, path", ADMIN)
def test_nginx_closes_admin_to_other_addresses_even_with_the_token(serve, method, path):
    site = serve(ADMIN_TOKEN="admin-secret", edits=FROM_ANYWHERE)
    answer = site(method, path, token="admin-secret", headers=ELSEWHERE)
    assert answer.status == 403
    assert "x-session-store" not in answer.headers
    for disguise in ("/%61dmin" + path[6:], "/x/.." + path):
        assert site(method, disguise, headers=ELSEWHERE).status == 403
    assert site(method, path, token="admin-secret").status == 200
    assert site("GET", "/health", headers=ELSEWHERE).status == 200


@pytest.mark.parametrize("method, path", ADMIN)
def test_without_a_token_the_worker_closes_admin_to_other_addresses_too(serve, method, path):
    site = serve(edits=NGINX_OPEN)
    answer = site(method, path, headers=ELSEWHERE)
    assert answer.status == 403
    assert answer.headers["x-session-store"] == "memory"
    assert site(method, path).status == 200


def test_with_a_token_the_worker_answers_to_other_addresses(serve):
    site = serve(ADMIN_TOKEN="admin-secret", edits=NGINX_OPEN)
    assert site("GET", "/admin/sessions", token="admin-secret", headers=ELSEWHERE).status == 200


def test_tokens_in_files_are_read_again_on_hangup(serve, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("old-secret\n")
    site = serve(API_TOKENS_FILE=tokens)
    assert site("POST", "/sessions", token="old-secret").status == 201
    tokens.write_text("new-secret\n")
    site.worker.signal(signal.SIGHUP)
    wait_until(lambda: site("POST", "/sessions", token="new-secret").status == 201, "the new token is taken")
    assert site("POST", "/sessions", token="old-secret").status == 401
