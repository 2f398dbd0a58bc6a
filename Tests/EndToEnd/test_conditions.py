"""Entity tags: If-Match and If-None-Match."""

import pytest

from client import path_of, user


def test_an_unchanged_session_is_304_without_a_body(both, session_id):
    both.append(session_id, user("a"))
    tag = both("GET", path_of(session_id)).headers["etag"]
    for condition in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = both("GET", path_of(session_id), headers={"If-None-Match": condition})
        assert answer.status == 304
        assert answer.headers["etag"] == tag
        assert answer.body == b""


def test_every_change_changes_the_entity_tag(both, session_id):
    both.append(session_id, user("a"))
    tags = [both("GET", path_of(session_id)).headers["etag"]]
    both.append(session_id, user("b"))
    tags.append(both("GET", path_of(session_id)).headers["etag"])
    tags.append(both("PUT", path_of(session_id), {"messages": [user("a"), user("b")]}).headers["etag"])
    both("DELETE", path_of(session_id))
    tags.append(both("PUT", path_of(session_id), {"messages": [user("a"), user("b")]}).headers["etag"])
    assert len(set(tags)) == len(tags)
    assert both("GET", path_of(session_id), headers={"If-None-Match": tags[0]}).status == 200
    assert both("GET", path_of(session_id), headers={"If-None-Match": tags[-1]}).status == 304


def test_if_match_replaces_only_the_state_it_names(both, session_id):
    both.append(session_id, user("a"))
    tag = both("GET", path_of(session_id)).headers["etag"]
    both.append(session_id, user("b"))
    new = {"messages": [user("new")]}
    for condition in (tag, '"other"', f"W/{tag}"):
        assert both("PUT", path_of(session_id), new, headers={"If-Match": condition}).status == 412
    assert both.messages(session_id) == [user("a"), user("b")]
    tag = both("GET", path_of(session_id)).headers["etag"]
    assert both("PUT", path_of(session_id), new, headers={"If-Match": tag}).status == 200
    assert both.messages(session_id) == [user("new")]


def test_if_match_any_needs_a_session(site, session_id):
    new = {"messages": [user("new")]}
    assert site("PUT", path_of(session_id), new, headers={"If-Match": "*"}).status == 412
    site.append(session_id, user("a"))
    assert site("PUT", path_of(session_id), new, headers={"If-Match": "*"}).status == 200


def test_if_none_match_any_only_creates(site, session_id):
    new = {"messages": [user("new")]}
    assert site("PUT", path_of(session_id), new, headers={"If-None-Match": "*"}).status == 201
    assert site("PUT", path_of(session_id), new, headers={"If-None-Match": "*"}).status == 412


@pytest.mark.parametrize("condition", ["unquoted", '"open', '"a" "b"'])
def test_what_is_not_an_entity_tag_is_400(site, session_id, condition):
    assert site("PUT", path_of(session_id), {"messages": []}, headers={"If-Match": condition}).status == 400
