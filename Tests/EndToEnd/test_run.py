"""`make run` as a person meets it."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import pytest

from client import curl, user
from processes import BINARY, ROOT, Process, accepts, free_port, start, wait_until


class Run(Process):
    def __init__(self, folder, name="run", **settings):
        self.log = folder / f"{name}.log"
        self.temporary = folder / name
        self.temporary.mkdir()
        self.state = folder / "state"
        self.ports = free_port(), free_port()
        self.process = start(
            ["deploy/run"], self.log, cwd=ROOT,
            env={**run_environment(self.ports, self.temporary, self.state), **settings},
            # A shell never traps a signal that was ignored when it began, as in a background job.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        wait_until(self.is_ready, "make run is ready", 30)

    def is_ready(self):
        assert self.process.poll() is None, self.log_text()
        return "Ctrl-C stops everything" in self.log_text()

    def curl_lines(self):
        return re.findall(r"^curl .*$", self.log_text(), re.MULTILINE)

    def processes(self):
        """Those whose command line names the scratch folder."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.temporary).encode() in path.read_bytes():
                    found.append(path)
            except OSError:
                continue
        return found


def run_environment(ports, temporary, state):
    return {
        "PATH": os.environ["PATH"], "TMPDIR": str(temporary), "SESSION_FCGI_BIN": str(BINARY),
        "RUN_HTTP_PORT": str(ports[0]), "RUN_HTTPS_PORT": str(ports[1]), "RUN_STATE_DIRECTORY": str(state)}


def test_the_five_curl_lines_work_when_pasted(started):
    run = started(Run)
    lines = run.curl_lines()
    assert len(lines) == 5
    answers = []
    for line in lines:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        answers.append(done.stdout)
    assert '"appended":1' in answers[0]
    assert "Hello" in answers[1]
    assert '"session_id":"demo"' in answers[2]
    assert '"session_id":"demo"' in answers[3]
    assert " 204" in answers[4].splitlines()[0]
    assert "https://" in "".join(lines) and "http://" in "".join(lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_process_and_no_folder(started, number):
    run = started(Run)
    assert len(run.processes()) >= 3
    # Ctrl-C reaches the whole group.
    os.killpg(run.process.pid, number)
    run.wait(20)
    assert run.processes() == []
    assert list(run.temporary.iterdir()) == []
    assert not any(accepts(("127.0.0.1", port)) for port in run.ports)


def append(run, content):
    answer = curl(f"http://127.0.0.1:{run.ports[0]}/sessions/demo/messages", "-H", "Content-Type: application/json",
                  body=json.dumps(user(content)).encode())
    assert answer.status == 201, answer.body
    return answer


def servers_conf(run):
    path, = run.temporary.glob("*/session-fcgi/servers.conf")
    return path.read_text()


def contents(run):
    answer = curl(f"http://127.0.0.1:{run.ports[0]}/sessions/demo")
    return [message["content"] for message in answer.json().get("messages", [])]


def test_a_session_is_there_in_the_next_run_and_known_to_both_workers(started):
    first = started(Run)
    assert str(first.state) in first.log_text()
    assert first.state.stat().st_mode & 0o777 == 0o700
    for number in range(6):
        # nginx gives them to the two workers in turn.
        assert append(first, str(number)).headers["x-session-store"] == "sqlite"
    assert servers_conf(first).count(".sock ") == 2
    os.killpg(first.process.pid, signal.SIGINT)
    first.wait(20)

    second = started(Run, name="again")
    assert [contents(second) for _ in range(4)] == [[str(number) for number in range(6)]] * 4


def test_on_memory_there_is_one_worker(started):
    run = started(Run, SESSION_STORE="memory")
    for number in range(4):
        append(run, str(number))
    assert contents(run) == ["0", "1", "2", "3"]


def test_a_port_that_is_taken_is_a_clear_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, tempfile.TemporaryDirectory() as temporary:
        ports = taken.getsockname()[1], free_port()
        done = subprocess.run(["deploy/run"], cwd=ROOT, env=run_environment(ports, temporary, tmp_path / "state"),
                              capture_output=True, text=True, timeout=30)
        assert done.returncode != 0
        assert f"port {ports[0]} is taken" in done.stderr
        assert os.listdir(temporary) == []
