import requests

from client import path_of, user


def test_only_the_newest_messages_are_kept(serve_each):
    site = serve_each(MAX_SESSION_MESSAGES=3)
    assert site.append("s", *[user(str(number)) for number in range(3)]).json()["dropped"] == 0
    answer = site.append("s", user("3"), user("4")).json()
    assert (answer["appended"], answer["dropped"], answer["message_count"]) == (2, 2, 3)
    assert site.messages("s") == [user("2"), user("3"), user("4")]


def test_thirty_messages_are_kept_by_default(site, session_id):
    site.append(session_id, *[user(str(number)) for number in range(30)])
    answer = site.append(session_id, user("30")).json()
    assert (answer["message_count"], answer["dropped"]) == (30, 1)
    assert site.messages(session_id) == [user(str(number)) for number in range(1, 31)]


def test_a_batch_greater_than_a_session_leaves_its_newest_messages(site, session_id):
    answer = site.append(session_id, *[user(str(number)) for number in range(35)]).json()
    assert (answer["message_count"], answer["appended"]) == (30, 35)
    assert site.messages(session_id) == [user(str(number)) for number in range(5, 35)]


def test_the_oldest_messages_make_room_for_new_bytes(serve_each):
    site = serve_each(MAX_SESSION_BYTES=10_000, MAX_MESSAGE_BYTES=4_000)
    for number in range(5):
        answer = site.append("s", user(str(number) * 3_000)).json()
    assert answer["message_count"] == 3
    assert [message["content"][0] for message in site.messages("s")] == ["2", "3", "4"]


def test_a_message_too_large_is_413_and_names_the_limit(serve_each):
    site = serve_each(MAX_MESSAGE_BYTES=1_000)
    answer = site("POST", "/sessions/s/messages", user("x" * 1_000))
    assert answer.status == 413
    assert answer.json()["limit"] == 1_000
    assert site("GET", "/sessions/s").status == 404
    exact = b'{"role":"user","content":"' + b"x" * (1_000 - 28) + b'"}'
    assert len(exact) == 1_000
    assert site("POST", "/sessions/s/messages", body=exact).status == 201


def test_a_body_somewhat_too_large_is_refused_by_the_worker_with_its_limit(both, shared, session_id):
    answer = both("POST", path_of(session_id) + "/messages", body=b" " * 1_048_577)
    assert answer.status == 413
    assert answer.json()["limit"] == 1_048_576
    assert answer.headers["x-session-store"] == shared.store


def test_a_body_much_too_large_is_refused_by_nginx(both, session_id):
    answer = both("POST", path_of(session_id) + "/messages", body=b" " * 3_000_000)
    assert answer.status == 413
    assert "x-session-store" not in answer.headers


def test_a_chunked_body_has_the_same_limits(site, session_id):
    url = site.base + path_of(session_id) + "/messages"
    headers = {"Content-Type": "application/json"}
    for size in (1_048_577, 3_000_000):
        answer = requests.post(url, data=iter([b" " * size]), headers=headers, timeout=30)
        assert answer.status_code == 413
    answer = requests.post(url, data=iter([b'{"role":"user",', b'"content":"a"}']), headers=headers, timeout=30)
    assert answer.status_code == 201


def test_a_refused_body_does_not_disturb_the_next_request(site, session_id):
    for _ in range(10):
        assert site("POST", path_of(session_id) + "/messages", body=b" " * 1_060_000).status == 413
        assert site("GET", "/health/live").status == 200


def test_a_session_of_eight_megabytes_is_read_whole(site, session_id):
    content = "0123456789abcdef" * 16_000
    for number in range(30):
        site.append(session_id, user(f"{number} {content}"))
    messages = site.messages(session_id)
    assert [message["content"].split()[0] for message in messages] == [str(number) for number in range(30)]
    assert all(message["content"].endswith(content) for message in messages)
    site("DELETE", path_of(session_id))
