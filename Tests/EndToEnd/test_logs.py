import json
import re

import pytest

from client import path_of, user
from processes import wait_until


def log_line(workers, request_id):
    return wait_until(
        lambda: next((line for line in workers.log_text().splitlines() if request_id in line), None), "a line in the log")


def test_a_request_line_names_what_was_asked_and_how_it_ended(site, shared, session_id):
    answer = site.append(session_id, user("Hello"))
    entry = json.loads(log_line(shared, answer.headers["x-request-id"]))
    assert entry["method"] == "POST"
    assert entry["route"] == "/sessions/{id}/messages"
    assert int(entry["status"]) == 201
    assert entry["request_id"] == answer.headers["x-request-id"]
    assert entry["store"] == shared.store
    assert any(name.startswith("duration") and float(value) >= 0 for name, value in entry.items())


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_logs_never_carry_content_ids_or_tokens(serve_each, log_format):
    site = serve_each(LOG_FORMAT=log_format, LOG_LEVEL="trace", ADMIN_TOKEN="secret-admin", API_TOKENS="secret-api")
    secret = {"role": "user", "content": "secret-content", "name": "secret-name"}
    path = path_of("secret-session")
    for value in (secret, {**secret, "role": "secret-role"}, {"secret-member": 1}):
        site("POST", path + "/messages", value, token="secret-api", headers={"Idempotency-Key": "secret-key"})
    site("POST", path + "/messages", body=b'{"secret', token="secret-api")
    site("GET", path + "?last=secret", token="secret-api")
    site("GET", path, token="secret-guess")
    site("GET", "/admin/sessions?cursor=secret", token="secret-admin")
    site("GET", "/secret-route")
    last = site("GET", "/health/live").headers["x-request-id"]
    log_line(site, last)
    assert "secret" not in site.log_text()


def test_a_request_line_as_text_holds_the_same(serve):
    site = serve()
    request_id = site("GET", "/sessions/unknown").headers["x-request-id"]
    line = log_line(site, request_id)
    for part in ("GET", "/sessions/{id}", "404", "memory"):
        assert part in line
    assert re.search(r"duration\w*=\d", line)


def test_a_client_cannot_write_a_line_of_its_own(serve):
    site = serve(LOG_FORMAT="json")
    site("GET", "/sessions/a%0A%7B%22forged%22:1%7D")
    log_line(site, site("GET", "/health/live").headers["x-request-id"])
    for line in site.worker.log_text().splitlines():
        assert "forged" not in json.loads(line)
