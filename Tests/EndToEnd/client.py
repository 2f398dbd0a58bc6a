"""curl, and what holds for every answer of the service."""

import json
import subprocess
import tempfile
import urllib.parse
from dataclasses import dataclass


@dataclass
class Answer:
    status: int
    protocol: str
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


def curl(url, *arguments, body=None):
    """One request by the real curl; the last answer where there are several, as after 100 Continue."""
    with tempfile.NamedTemporaryFile() as head, tempfile.NamedTemporaryFile() as content:
        command = [
            "curl", "-sS", "--path-as-is", "--globoff", "--max-time", "60", "-D", head.name, "-o", content.name,
            "-w", "%{http_code} %{http_version}", *arguments]
        if body is not None:
            command += ["--data-binary", "@-"]
        done = subprocess.run([*command, url], input=body, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        status, protocol = done.stdout.decode().split()
        blocks = head.read().decode("latin-1").strip().split("\r\n\r\n")
        lines = [line.split(":", 1) for line in blocks[-1].split("\r\n")[1:]]
        headers = {}
        for name, value in lines:
            assert name.lower() not in headers, f"{name} is there twice"
            headers[name.lower()] = value.strip()
        # Asked for headers only, curl writes them where the body would go.
        return Answer(int(status), protocol, headers, b"" if "--head" in arguments else content.read())


def check_answer(answer, has_body=True):
    """What API and nginx promise of every answer, whoever made it."""
    assert answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] == "nginx"
    if answer.status >= 400 and has_body:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] and problem["title"] and problem["detail"]
        assert problem["status"] == answer.status
        if "retry_after" in problem:
            assert answer.headers["retry-after"] == str(problem["retry_after"])
    if answer.status == 405:
        assert answer.headers["allow"]
    if answer.status in (429, 502, 503, 504):
        assert int(answer.headers["retry-after"]) >= 0


class Site:
    """The service at one of its addresses: `site("GET", "/health")`."""

    def __init__(self, nginx, tls=False):
        self.tls = tls
        self.base = f"https://localhost:{nginx.https_port}" if tls else f"http://127.0.0.1:{nginx.http_port}"
        self.certificate = nginx.certificate
        self.options = ["--cacert", nginx.certificate, "--http2"] if tls else []

    def __call__(self, method, path, value=None, *, body=None, headers=None, token=None):
        headers = dict(headers or {})
        if value is not None:
            body = json.dumps(value, ensure_ascii=False).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        arguments = ["--head"] if method == "HEAD" else ["-X", method]
        for name, text in headers.items():
            arguments += ["-H", f"{name}: {text}" if text else f"{name};"]
        answer = curl(self.base + path, *self.options, *arguments, body=body)
        check_answer(answer, has_body=method != "HEAD")
        if self.tls:
            assert answer.protocol == "2"
        return answer

    def log_text(self):
        return "".join(worker.log_text() for worker in self.workers)

    def append(self, session_id, *messages, headers=None):
        value = messages[0] if len(messages) == 1 else {"messages": list(messages)}
        answer = self("POST", f"{path_of(session_id)}/messages", value, headers=headers)
        assert answer.status == 201, answer.body
        return answer

    def messages(self, session_id):
        answer = self("GET", path_of(session_id))
        assert answer.status == 200, answer.body
        return answer.json()["messages"]


def path_of(session_id):
    return "/sessions/" + urllib.parse.quote(session_id, safe="")


def user(content):
    return {"role": "user", "content": content}
