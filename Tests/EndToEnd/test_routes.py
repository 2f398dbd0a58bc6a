import re
import time

import pytest

from client import path_of, user
from processes import wait_until

TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def is_session(value, session_id, messages):
    assert value["session_id"] == session_id
    assert value["messages"] == messages
    assert value["message_count"] == len(messages)
    assert re.fullmatch(TIMESTAMP, value["created_at"])
    assert re.fullmatch(TIMESTAMP, value["updated_at"])
    assert value["created_at"] <= value["updated_at"]
    return True


def test_create_without_a_body_makes_a_random_uuid(both):
    answer = both("POST", "/sessions")
    assert answer.status == 201
    session_id = answer.json()["session_id"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", session_id)
    assert is_session(answer.json(), session_id, [])
    assert both("GET", answer.headers["location"]).json() == answer.json()


def test_create_keeps_the_id_and_messages_given(both, shared, session_id):
    messages = [user("Hello"), {"role": "assistant", "content": "Hi"}]
    answer = both("POST", "/sessions", {"session_id": session_id, "messages": messages})
    assert answer.status == 201
    assert answer.headers["location"] == path_of(session_id)
    assert answer.headers["x-session-store"] == shared.store
    assert is_session(answer.json(), session_id, messages)


def test_create_of_an_id_that_exists_is_409_and_changes_nothing(both, session_id):
    both.append(session_id, user("first"))
    assert both("POST", "/sessions", {"session_id": session_id}).status == 409
    assert both.messages(session_id) == [user("first")]


def test_append_makes_the_session_and_keeps_the_order(both, session_id):
    answer = both.append(session_id, user("one"))
    assert {**answer.json(), "updated_at": ""} == {
        "session_id": session_id, "message_count": 1, "appended": 1, "dropped": 0, "updated_at": ""}
    assert re.fullmatch(TIMESTAMP, answer.json()["updated_at"])
    answer = both.append(session_id, user("two"), user("three"))
    assert answer.json()["message_count"] == 3
    assert answer.json()["appended"] == 2
    assert both.messages(session_id) == [user("one"), user("two"), user("three")]


def test_a_batch_with_one_bad_message_is_refused_whole(both, session_id):
    both.append(session_id, user("kept"))
    answer = both("POST", path_of(session_id) + "/messages", {"messages": [user("new"), {"role": "nobody"}]})
    assert answer.status == 400
    assert answer.json()["field"] == "messages[1].role"
    assert both.messages(session_id) == [user("kept")]


def test_last_gives_only_the_newest_messages(both, session_id):
    both.append(session_id, *[user(str(number)) for number in range(5)])
    for path in (path_of(session_id), path_of(session_id) + "/messages"):
        answer = both("GET", path + "?last=2").json()
        assert answer["messages"] == [user("3"), user("4")]
        assert answer["message_count"] == 5
        assert len(both("GET", path + "?last=99").json()["messages"]) == 5


def test_messages_are_read_by_themselves(both, session_id):
    both.append(session_id, user("Hello"))
    answer = both("GET", path_of(session_id) + "/messages")
    assert answer.status == 200
    assert answer.json() == {"session_id": session_id, "message_count": 1, "messages": [user("Hello")]}


def test_put_replaces_the_history(both, session_id):
    created = both("PUT", path_of(session_id), {"messages": [user("one")]})
    assert created.status == 201
    replaced = both("PUT", path_of(session_id), {"messages": [user("two")]})
    assert replaced.status == 200
    assert is_session(replaced.json(), session_id, [user("two")])
    assert replaced.json()["created_at"] == created.json()["created_at"]
    assert both.messages(session_id) == [user("two")]


def test_a_deleted_session_is_gone(both, session_id):
    both.append(session_id, user("Hello"))
    answer = both("DELETE", path_of(session_id))
    assert answer.status == 204
    assert answer.body == b""
    for method, path in [("GET", ""), ("GET", "/messages"), ("DELETE", "")]:
        assert both(method, path_of(session_id) + path).status == 404


def test_health_says_what_is_connected(both, shared):
    answer = both("GET", "/health")
    assert answer.status == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["mongodb"] == ("connected" if shared.store == "mongodb" else "not configured")
    assert isinstance(answer.json()["active_sessions"], int)


def test_active_sessions_counts_sessions(serve_each):
    site = serve_each()
    site.append("one", user("Hello"))
    site.append("two", user("Hello"))
    site("DELETE", "/sessions/two")
    wait_until(lambda: site("GET", "/health").json()["active_sessions"] == 1, "one session is counted")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_a_worker_in_order_is_live_and_ready(both, path):
    assert both("GET", path).status == 200


def test_admin_lists_sessions_newest_first_page_by_page(serve_each):
    site = serve_each()
    for name in ("one", "two", "three"):
        site.append(name, user("secret content"))
    seen, cursor = [], ""
    while cursor is not None:
        page = site("GET", f"/admin/sessions?limit=2{cursor and '&cursor=' + cursor}")
        assert page.status == 200
        assert b"secret content" not in page.body
        assert len(page.json()["sessions"]) <= 2
        seen += page.json()["sessions"]
        cursor = page.json()["next_cursor"]
    assert [session["session_id"] for session in seen] == ["three", "two", "one"]
    assert set(seen[0]) == {"session_id", "message_count", "created_at", "updated_at"}


def test_cleanup_deletes_only_old_sessions(both, session_id):
    both.append(session_id, user("Hello"))
    answer = both("POST", "/admin/cleanup-sessions?days=7")
    assert answer.json() == {"status": "ok", "deleted_sessions": 0, "days": 7}
    assert both("POST", "/admin/cleanup-sessions").json()["days"] == 7
    assert both("POST", "/admin/cleanup-sessions?days=1&dry_run=true").json()["dry_run"] is True
    assert both.messages(session_id) == [user("Hello")]


def test_history_of_an_unknown_session_is_empty(both, session_id):
    answer = both("GET", f"/session/{session_id}/history")
    assert answer.status == 200
    assert answer.json() == {"session_id": session_id, "message_count": 0, "messages": []}
    both.append(session_id, user("Hello"))
    assert both("GET", f"/session/{session_id}/history").json()["messages"] == [user("Hello")]


def test_clearing_a_session_succeeds_whether_it_exists_or_not(both, session_id):
    both.append(session_id, user("Hello"))
    for _ in range(2):
        answer = both("DELETE", f"/session/{session_id}")
        assert answer.status == 200
        assert answer.json() == {"session_id": session_id, "status": "cleared"}
    assert both("GET", path_of(session_id)).status == 404


def test_echo_appends_the_query_and_its_echo(both, session_id):
    brief = "Echo: Hello (Session has 0 prior messages)"
    answer = both("POST", "/test/echo", {"session_id": session_id, "query": "Hello"})
    assert answer.json() == {
        "session_id": session_id, "decision_brief": brief, "prior_message_count": 0, "current_message_count": 2,
        "citations": [], "metadata": {"test_mode": True}}
    assert both.messages(session_id) == [user("Hello"), {"role": "assistant", "content": brief}]


def test_echo_is_404_unless_enabled(serve):
    assert serve()("POST", "/test/echo", {"query": "Hello"}).status == 404


@pytest.mark.parametrize("path", ["/", "/nothing", "/sessions/", "/sessions/a/b", "//sessions", "/admin/x"])
def test_an_unknown_path_is_404(both, path):
    assert both("GET", path).status == 404


@pytest.mark.parametrize("name", ["a/b", "two words", "ä", "a%2Fb", "?x=1&y#z", "..", ".", "日本語", "a+b", "x" * 256])
def test_an_encoded_id_is_decoded_once(both, session_id, name):
    session = name if len(name) == 256 else name + session_id
    both("DELETE", path_of(session))
    answer = both.append(session, user("Hello"))
    assert answer.json()["session_id"] == session
    assert both.messages(session) == [user("Hello")]
    location = both("POST", "/sessions", {"session_id": session + "n" if len(name) < 256 else "n" + session[1:]})
    assert both("GET", location.headers["location"]).status == 200
    both("DELETE", location.headers["location"])


@pytest.mark.parametrize("name", ["..", "."])
def test_an_id_of_dots_is_an_id(both, name):
    both.append(name, user("Hello"))
    assert both.messages(name) == [user("Hello")]
    assert both("DELETE", "/sessions/" + name).status == 204


@pytest.mark.parametrize("path", ["%FF", "%C3", "%0A", "%7F", "%C2%80", "a%2", "a%GG", "x" * 257, "%C3%A4" * 129])
def test_what_is_not_a_session_id_is_400(both, path):
    assert both("GET", "/sessions/" + path).status == 400


@pytest.mark.parametrize("value", ["7.5", "+7", "-1", "0x7", "", "7%20", "١", "99999999999999999999", "7&last=7"])
def test_a_number_that_is_not_a_strict_integer_is_400(both, session_id, value):
    both.append(session_id, user("Hello"))
    answer = both("GET", f"{path_of(session_id)}?last={value}")
    assert answer.status == 400
    assert answer.json()["field"] == "last"


@pytest.mark.parametrize("query", ["days=0", "days=36501", "days=x", "days=1&days=2", "dry_run=maybe"])
def test_cleanup_refuses_what_it_cannot_mean(both, query):
    assert both("POST", f"/admin/cleanup-sessions?{query}").status == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=", "cursor=nonsense", "cursor="])
def test_listing_refuses_what_it_cannot_mean(both, query):
    assert both("GET", f"/admin/sessions?{query}").status == 400


def test_an_expired_session_is_gone(serve_each):
    site = serve_each(SESSION_TTL_SECONDS=1)
    site.append("one", user("Hello"))
    updated = time.monotonic()
    while site("GET", "/sessions/one").status == 200:
        assert time.monotonic() < updated + 5
    assert time.monotonic() > updated + 0.5
    assert site.append("one", user("again")).json()["message_count"] == 1
