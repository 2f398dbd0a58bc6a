"""Workers that share sessions, whatever keeps them."""

import concurrent.futures
import threading

import pytest

from client import path_of, user


@pytest.fixture(params=["sqlite", "mongodb"])
def pair(serve, request):
    """Two workers on one store, each behind an nginx of its own."""
    if request.param == "sqlite":
        settings = {"STATE_DIRECTORY": request.getfixturevalue("state")}
    else:
        settings = request.getfixturevalue("mongod").settings(request.getfixturevalue("database"))
    return [serve(name=name, **settings) for name in ("first", "second")]


def test_what_one_worker_writes_another_reads_at_once(pair, session_id):
    written = []
    for number in range(20):
        written.append(user(str(number)))
        pair[number % 2].append(session_id, written[-1])
        assert pair[1 - number % 2].messages(session_id) == written
    first, second = pair
    tag = first("GET", path_of(session_id)).headers["etag"]
    assert second("GET", path_of(session_id), headers={"If-None-Match": tag}).status == 304
    new = {"messages": [user("new")]}
    assert second("PUT", path_of(session_id), new, headers={"If-Match": tag}).status == 200
    assert first("PUT", path_of(session_id), new, headers={"If-Match": tag}).status == 412
    assert first.messages(session_id) == [user("new")]
    assert first("DELETE", path_of(session_id)).status == 204
    assert second("GET", path_of(session_id)).status == 404


def test_one_key_sent_over_two_workers_at_once_appends_once(pair, session_id):
    together = threading.Barrier(12)

    def append(number):
        together.wait()
        return pair[number % 2].append(session_id, user("a"), headers={"Idempotency-Key": "key-1"})

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(append, range(12)))
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert pair[0].messages(session_id) == [user("a")]


def test_appends_over_two_workers_at_once_lose_nothing(pair, session_id):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: pair[number % 2].append(session_id, user(str(number))), range(30)))
    assert {message["content"] for message in pair[0].messages(session_id)} == {str(number) for number in range(30)}
