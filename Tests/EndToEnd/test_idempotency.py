import concurrent.futures

import pytest

from client import path_of, user


def append(site, session_id, content, key):
    return site("POST", path_of(session_id) + "/messages", user(content), headers={"Idempotency-Key": key})


def test_the_same_key_and_body_give_the_first_answer_and_store_nothing(both, session_id):
    first = append(both, session_id, "a", "key-1")
    assert "idempotency-replayed" not in first.headers
    both.append(session_id, user("between"))
    again = append(both, session_id, "a", "key-1")
    assert again.status == first.status == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert both.messages(session_id) == [user("a"), user("between")]


def test_the_same_key_with_another_body_is_422(both, session_id):
    append(both, session_id, "a", "key-1")
    assert append(both, session_id, "b", "key-1").status == 422
    assert both.messages(session_id) == [user("a")]


def test_a_key_belongs_to_its_session(site, session_id):
    append(site, session_id, "a", "key-1")
    assert append(site, session_id + "-other", "b", "key-1").status == 201


def test_the_last_64_keys_are_remembered(site, session_id):
    for number in range(64):
        append(site, session_id, str(number), f"key-{number}")
    for number in (0, 63):
        assert append(site, session_id, str(number), f"key-{number}").headers["idempotency-replayed"] == "true"


def test_a_refused_append_does_not_use_up_its_key(site, session_id):
    assert append(site, session_id, "", "key-1").status == 400
    assert append(site, session_id, "a", "key-1").status == 201


@pytest.mark.parametrize("key", ["", "x" * 129, "ä", "tab\tbed"])
def test_what_is_not_a_key_is_400(site, session_id, key):
    answer = append(site, session_id, "a", key)
    assert answer.status == 400
    assert answer.json()["field"] == "Idempotency-Key"


def test_one_key_sent_many_times_at_once_appends_once(site, session_id):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: append(site, session_id, "a", "key-1"), range(24)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert site.messages(session_id) == [user("a")]
