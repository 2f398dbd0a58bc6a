"""The OpenAPI description and the running worker say the same."""

import json

import jsonschema
import openapi_spec_validator
import pytest
import yaml

from client import path_of, user
from processes import ROOT

DESCRIPTION = yaml.safe_load((ROOT / "nginx/openapi.yaml").read_text())
OPERATIONS = [
    (path, method, operation)
    for path, item in DESCRIPTION["paths"].items() for method, operation in item.items() if method != "parameters"]
BY_ID = {operation["operationId"]: (path, method, operation) for path, method, operation in OPERATIONS}


def resolved(value):
    while "$ref" in value:
        target = DESCRIPTION
        for name in value["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        value = target
    return value


def check_against_schema(schema, value):
    """Schemas of OpenAPI 3.1 are JSON Schema; references are to the whole description."""
    validator = jsonschema.Draft202012Validator(
        {**schema, "components": DESCRIPTION["components"]}, format_checker=jsonschema.FormatChecker())
    validator.validate(value)


def check_against_description(operation, answer):
    assert str(answer.status) in operation["responses"], f"{answer.status} is not described: {answer.body[:300]}"
    response = resolved(operation["responses"][str(answer.status)])
    for name, header in response["headers"].items():
        header = resolved(header)
        if name.lower() in answer.headers:
            value = answer.headers[name.lower()]
            check_against_schema(header["schema"], int(value) if header["schema"]["type"] == "integer" else value)
        else:
            assert not header.get("required"), f"{name} is missing"
    if "content" not in response:
        assert answer.body == b""
        return
    media_type = answer.headers["content-type"].split(";")[0]
    schema = response["content"][media_type]["schema"]
    value = answer.body.decode() if media_type == "application/yaml" else answer.json()
    check_against_schema(schema, value)
    if media_type == "application/json":
        assert set(value) <= set(resolved(schema)["properties"]) or resolved(schema).get("additionalProperties")


def test_the_description_is_valid():
    openapi_spec_validator.validate(DESCRIPTION)


def test_the_description_is_served(both):
    answer = both("GET", "/openapi.yaml")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/yaml"
    assert answer.body == (ROOT / "nginx/openapi.yaml").read_bytes()
    assert both("DELETE", "/openapi.yaml").headers["allow"] == "GET, HEAD"


def test_every_example_fits_its_schema():
    def walk(value):
        if isinstance(value, dict):
            if "schema" in value and "example" in value:
                check_against_schema(value["schema"], json.loads(json.dumps(value["example"], default=str)))
            for example in (value.get("examples") or {}).values() if "schema" in value else ():
                check_against_schema(value["schema"], example["value"])
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(DESCRIPTION)


MESSAGES = {"messages": [user("Hello")]}
# For each operation a status that it should have, with the query and body that lead to it.
GOOD = {
    "createSession": (201, "", {"messages": [user("Hello")]}),
    "getSession": (200, "?last=1", None),
    "replaceSession": (200, "", MESSAGES),
    "deleteSession": (204, "", None),
    "listMessages": (200, "?last=1", None),
    "appendMessages": (201, "", MESSAGES),
    "getHealth": (200, "", None),
    "getLiveness": (200, "", None),
    "getReadiness": (200, "", None),
    "cleanUpSessions": (200, "?days=7&dry_run=true", None),
    "listSessions": (200, "?limit=1", None),
    "getHistory": (200, "", None),
    "clearSession": (200, "", None),
    "echo": (200, "", {"query": "Hello"}),
    "getOpenAPI": (200, "", None),
}


def call(site, operation_id, session_id, query="", value=None, **options):
    path, method, operation = BY_ID[operation_id]
    path = path.replace("/sessions/{session_id}", path_of(session_id)).replace("{session_id}", session_id)
    answer = site(method.upper(), path + query, value, **options)
    check_against_description(operation, answer)
    return answer


def test_every_operation_is_walked():
    assert set(GOOD) == set(BY_ID)
    assert len(BY_ID) == len(OPERATIONS)


@pytest.mark.parametrize("operation_id", GOOD)
def test_a_good_request_is_answered_as_described(both, session_id, operation_id):
    both.append(session_id, user("Hello"))
    status, query, value = GOOD[operation_id]
    assert call(both, operation_id, session_id, query, value).status == status


BAD = [
    ("createSession", 400, {"body": b"{"}), ("createSession", 409, {}), ("createSession", 415, {}),
    ("createSession", 413, {"body": b" " * 1_048_577}), ("createSession", 413, {"body": b" " * 3_000_000}),
    ("getSession", 304, {"headers": {"If-None-Match": "*"}}), ("getSession", 400, {"query": "?last=x"}),
    ("getSession", 404, {"session_id": "unknown"}), ("getSession", 400, {"session_id": "\n"}),
    ("replaceSession", 201, {"value": MESSAGES, "session_id": "fresh"}), ("replaceSession", 400, {"value": {}}),
    ("replaceSession", 412, {"value": MESSAGES, "headers": {"If-Match": '"x"'}}),
    ("replaceSession", 415, {"value": MESSAGES, "headers": {"Content-Type": "text/plain"}}),
    ("replaceSession", 413, {"value": {"messages": [user("x" * 300_000)]}}),
    ("deleteSession", 404, {"session_id": "unknown"}), ("deleteSession", 400, {"session_id": "\x7f"}),
    ("listMessages", 404, {"session_id": "unknown"}), ("listMessages", 400, {"query": "?last="}),
    ("appendMessages", 400, {"value": {}}), ("appendMessages", 400, {"value": MESSAGES, "headers": {"Idempotency-Key": ""}}),
    ("appendMessages", 413, {"value": user("x" * 300_000)}),
    ("appendMessages", 415, {"value": MESSAGES, "headers": {"Content-Type": "text/plain"}}),
    ("cleanUpSessions", 400, {"query": "?days=0"}), ("listSessions", 400, {"query": "?limit=0"}),
    ("echo", 400, {"value": {}}), ("echo", 415, {"value": {"query": "a"}, "headers": {"Content-Type": "text/plain"}}),
]


@pytest.mark.parametrize("operation_id, status, options", BAD, ids=lambda value: str(value)[:30])
def test_a_bad_request_is_refused_as_described(both, session_id, operation_id, status, options):
    options = dict(options)
    both.append(session_id, user("Hello"))
    if (operation_id, status) == ("createSession", 409):
        options["value"] = {"session_id": session_id}
    if (operation_id, status) == ("createSession", 415):
        options |= {"value": {}, "headers": {"Content-Type": "text/plain"}}
    if options.get("session_id") == "fresh":
        options["session_id"] = "fresh-" + session_id
    answer = call(both, operation_id, options.pop("session_id", session_id), **options)
    assert answer.status == status


def test_a_key_used_twice_is_answered_as_described(both, session_id):
    headers = {"Idempotency-Key": "k"}
    for content, status in [("a", 201), ("a", 201), ("b", 422)]:
        assert call(both, "appendMessages", session_id, value=user(content), headers=headers).status == status


def test_missing_tokens_are_answered_as_described(serve):
    site = serve(ADMIN_TOKEN="a", API_TOKENS="b", ENABLE_TEST_ROUTES="true")
    for path, method, operation in OPERATIONS:
        if "security" in operation:
            assert call(site, operation["operationId"], "s").status == 401


def test_a_worker_that_is_down_is_answered_as_described(serve):
    site = serve()
    site.worker.stop()
    for path, method, operation in OPERATIONS:
        if operation["operationId"] != "getOpenAPI":
            assert call(site, operation["operationId"], "s").status == 502


def test_every_other_method_is_405_as_described(both, session_id):
    for path, item in DESCRIPTION["paths"].items():
        operations = {method: operation for method, operation in item.items() if method != "parameters"}
        answer = both("PATCH", path.replace("{session_id}", session_id))
        check_against_description(next(iter(operations.values())), answer)
        allowed = {method.lower() for method in answer.headers["allow"].split(", ")}
        assert allowed - {"head", "options"} == set(operations)


def test_the_schema_of_a_message_refuses_what_the_worker_refuses():
    schema = {"$ref": "#/components/schemas/Append"}
    for value in ({}, {"role": "x", "content": "a"}, {"role": "user", "content": ""}, {"messages": []},
                  {"role": "user", "content": []}, {"role": "user", "content": ["a"]}):
        with pytest.raises(jsonschema.ValidationError):
            check_against_schema(schema, value)
