import socket

import pytest

from client import path_of, user

ROUTES = {
    "/sessions": {"POST"},
    "/sessions/{id}": {"GET", "HEAD", "PUT", "DELETE"},
    "/sessions/{id}/messages": {"GET", "HEAD", "POST"},
    "/health": {"GET", "HEAD"},
    "/health/live": {"GET", "HEAD"},
    "/health/ready": {"GET", "HEAD"},
    "/admin/sessions": {"GET", "HEAD"},
    "/admin/cleanup-sessions": {"POST"},
    "/session/{id}/history": {"GET", "HEAD"},
    "/session/{id}": {"DELETE"},
    "/test/echo": {"POST"},
}


@pytest.mark.parametrize("route", ROUTES)
def test_options_is_204_with_the_methods_allowed(both, route, session_id):
    answer = both("OPTIONS", route.replace("{id}", session_id))
    assert answer.status == 204
    assert answer.body == b""
    assert set(answer.headers["allow"].split(", ")) == ROUTES[route] | {"OPTIONS"}


@pytest.mark.parametrize("route", ROUTES)
def test_another_method_is_405_with_the_methods_allowed(both, route, session_id):
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"} - ROUTES[route]:
        answer = both(method, route.replace("{id}", session_id))
        assert answer.status == 405
        assert set(answer.headers["allow"].split(", ")) == ROUTES[route] | {"OPTIONS"}


@pytest.mark.parametrize("route", [route for route in ROUTES if "GET" in ROUTES[route]])
def test_head_is_get_without_its_body(both, route, session_id):
    both.append(session_id, user("a"))
    path = route.replace("{id}", session_id)
    got, head = both("GET", path), both("HEAD", path)
    assert head.status == got.status == 200
    differing = dict.fromkeys(["x-request-id", "date", "content-length", "transfer-encoding"])
    assert {**head.headers, **differing} == {**got.headers, **differing}


def test_head_sends_not_one_byte_of_body(site, shared, session_id):
    site.append(session_id, user("a"))
    with socket.create_connection(("127.0.0.1", shared.nginx.http_port), 10) as connection:
        connection.sendall(f"HEAD {path_of(session_id)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b"\r\n\r\n") and received.count(b"\r\n\r\n") == 1


def test_head_of_an_unknown_session_is_404(both, session_id):
    assert both("HEAD", path_of(session_id)).status == 404
