"""Bodies are read strictly, and messages come back as they went in."""

import decimal
import functools
import json

import pytest

from client import path_of, user

REFUSED = {
    "duplicate member": b'{"role":"user","content":"a","content":"b"}',
    "duplicate member, spelt in another way": b'{"role":"user","content":"a","c\\u006fntent":"b"}',
    "duplicate member within a message": b'{"role":"user","content":"a","metadata":{"x":1,"x":2}}',
    "lone high surrogate": b'{"role":"user","content":"\\ud83d"}',
    "lone low surrogate": b'{"role":"user","content":"\\ude00"}',
    "invalid UTF-8": b'{"role":"user","content":"\xff"}',
    "overlong UTF-8": b'{"role":"user","content":"\xc0\xaf"}',
    "surrogate in UTF-8": b'{"role":"user","content":"\xed\xa0\x80"}',
    "byte order mark": b'\xef\xbb\xbf{"role":"user","content":"a"}',
    "trailing bytes": b'{"role":"user","content":"a"} x',
    "two values": b'{"role":"user","content":"a"}{"role":"user","content":"b"}',
    "truncated": b'{"role":"user","content":"a"',
    "trailing comma": b'{"role":"user","content":"a",}',
    "comment": b'{"role":"user",/* */"content":"a"}',
    "single quotes": b"{'role':'user','content':'a'}",
    "NaN": b'{"role":"user","content":"a","metadata":NaN}',
    "leading zero": b'{"role":"user","content":"a","metadata":01}',
    "bare fraction": b'{"role":"user","content":"a","metadata":.5}',
    "control character": b'{"role":"user","content":"a\nb"}',
    "unknown escape": b'{"role":"user","content":"\\x41"}',
    "33 levels": b'{"role":"user","content":"a","metadata":' + b"[" * 32 + b"]" * 32 + b"}",
    "thousands of levels": b"[" * 100_000,
    "an array": b'[{"role":"user","content":"a"}]',
    "a string": b'"user"',
    "null": b"null",
    "nothing": b"",
    "blanks": b"  ",
    "no role": b'{"content":"a"}',
    "unknown role": b'{"role":"User","content":"a"}',
    "role of another type": b'{"role":["user"],"content":"a"}',
    "no content": b'{"role":"user"}',
    "empty content": b'{"role":"user","content":""}',
    "content of no parts": b'{"role":"user","content":[]}',
    "content of strings": b'{"role":"user","content":["a"]}',
    "content of another type": b'{"role":"user","content":7}',
    "null without tool calls": b'{"role":"assistant","content":null}',
    "messages that are no array": b'{"messages":{"role":"user","content":"a"}}',
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_body_leaves_the_session_unchanged(site, session_id, body):
    site.append(session_id, user("kept"))
    before = site("GET", path_of(session_id)).json()
    answer = site("POST", path_of(session_id) + "/messages", body=body)
    assert answer.status == 400
    assert site("GET", path_of(session_id)).json() == before
    assert site("PUT", path_of(session_id), body=body).status == 400
    assert site("GET", path_of(session_id)).json() == before


def test_an_append_of_no_messages_is_400(site, session_id):
    assert site("POST", path_of(session_id) + "/messages", {"messages": []}).status == 400
    assert site("GET", path_of(session_id)).status == 404


# Written as text: no JSON library on the way may give them another shape.
FAITHFUL = [
    '{"role":"user","content":"$$NOW"}',
    '{"role":"user","content":"$updated_at"}',
    '{"role":"user","content":[{"$date":0}]}',
    '{"role":"user","content":"a","metadata":{"$date":0}}',
    '{"role":"user","content":"a","metadata":{"$oid":"5f0000000000000000000000"}}',
    '{"role":"user","content":"a","metadata":{"a.b":1,"":2,"$set":{"x":1}}}',
    '{"role":"user","content":"a","metadata":[1.0,1e2,1E+2,-0,-0.0,12345678901234567890,0.1,1e400,2.50,'
    '9007199254740993,9223372036854775808,1e-400]}',
    '{"zeta":1,"role":"user","alpha":2,"content":"a","beta":{"z":1,"a":2},"_id":"x","messages":[]}',
    '{"role":"user","content":"😀 ä 日本語 \U0001F468\u200d\U0001F469\u200d\U0001F467 a\u0308"}',
    '{"role":"user","content":"a","metadata":{"ä":1,"a\u0308":2}}',
    '{"role":"user","content":"a","metadata":[true,false,null,{},[],""]}',
    '{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",'
    '"function":{"name":"f","arguments":"{\\"a\\":1}"}}]}',
    '{"role":"tool","content":"42","tool_call_id":"c1"}',
    '{"role":"developer","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:,"}}]}',
    '{"role":"system","content":"' + "x" * 200_000 + '"}',
    '{"role":"user","content":"a","metadata":' + "[" * 31 + "]" * 31 + "}",
]


def exactly(text, store="memory"):
    """A value that tells 1 from 1.0, keeps the order of members, and loses no digit.

    MongoDB keeps a number, not its spelling: 1e2 comes back as 100.0, and -0 as -0.0."""

    def number(kind, digits):
        if store != "mongodb":
            return kind, digits
        return "fraction" if digits == "-0" else kind, decimal.Decimal(digits)

    return json.loads(text, parse_int=functools.partial(number, "integer"),
                      parse_float=functools.partial(number, "fraction"),
                      object_pairs_hook=lambda pairs: ("object", pairs))


@pytest.mark.parametrize("text", FAITHFUL, ids=range(len(FAITHFUL)))
def test_a_message_comes_back_as_it_went_in(both, shared, session_id, text):
    path = path_of(session_id)
    assert both("POST", path + "/messages", body=text.encode()).status == 201
    answer = both("GET", path + "/messages").body.decode()
    kind, members = exactly(answer, shared.store)
    assert dict(members)["messages"] == [exactly(text, shared.store)]


ESCAPES = {
    b'{"role":"user","content":"\\ud83d\\ude00"}': "😀",
    b'{"role":"user","content":"\\u0000\\u001f\\u007f"}': "\x00\x1f\x7f",
    b'{"role":"user","content":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041"}': '"\\/\b\f\n\r\tA',
    b' \t\r\n{ "role" : "user" , "content" : "a" } \n': "a",
}


@pytest.mark.parametrize("body", ESCAPES)
def test_escapes_keep_their_meaning(site, session_id, body):
    assert site("POST", path_of(session_id) + "/messages", body=body).status == 201
    assert site.messages(session_id) == [user(ESCAPES[body])]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml",
                                          "application/json; charset=utf-16"])
def test_a_body_that_is_not_json_is_415(site, session_id, content_type):
    answer = site("POST", path_of(session_id) + "/messages", user("a"), headers={"Content-Type": content_type})
    assert answer.status == 415
    assert site("GET", path_of(session_id)).status == 404


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", "APPLICATION/JSON"])
def test_json_by_any_spelling_is_taken(site, session_id, content_type):
    site.append(session_id, user("a"), headers={"Content-Type": content_type})


def test_a_member_of_the_envelope_that_is_unknown_is_400(site, session_id):
    answer = site("POST", "/sessions", {"session_id": session_id, "mesages": [user("a")]})
    assert answer.status == 400
    assert answer.json()["field"] == "mesages"


@pytest.mark.parametrize("value", [7, "", "a\nb", "x" * 257, {}])
def test_a_session_id_in_a_body_is_checked_too(site, value):
    answer = site("POST", "/sessions", {"session_id": value})
    assert answer.status == 400
    assert answer.json()["field"] == "session_id"
