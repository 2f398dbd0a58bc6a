"""Clients that use the service all at the same time, and remember what it told them."""

import itertools
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

import requests

from client import user
from processes import wait_until

CLIENTS = 8
# Sessions stay small, so that a change costs what it costs on a real site.
MESSAGES_PER_SESSION = 60


@dataclass
class Told:
    """One answer; a status of 0 stands for a broken connection."""

    status: int
    store: str
    began: float
    seconds: float


@dataclass
class Load:
    base: str
    answers: list = field(default_factory=list)
    health: dict = field(default_factory=lambda: defaultdict(list))
    # For each session and client, what was acknowledged, in order.
    acknowledged: dict = field(default_factory=lambda: defaultdict(list))
    # What was acknowledged by a host without its MongoDB and could not be read right afterwards.
    missed: list = field(default_factory=list)
    # What health said last, and when it turned to something else.
    state: dict = field(default_factory=dict)
    turns: list = field(default_factory=list)

    def __enter__(self):
        self.is_over = threading.Event()
        self.errors = []
        self.threads = [threading.Thread(target=self.guard, args=(self.append, client)) for client in range(CLIENTS)]
        paths = ("/health", "/health/live", "/health/ready")
        self.threads += [threading.Thread(target=self.guard, args=(self.ask, path)) for path in paths]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        if kind is None:
            assert not self.errors, self.errors

    def guard(self, work, *arguments):
        try:
            with requests.Session() as client:
                work(client, *arguments)
        except Exception as error:
            self.errors.append(error)
            raise

    def send(self, client, method, path, **options):
        began = time.monotonic()
        try:
            answer = client.request(method, self.base + path, timeout=30, **options)
            status, store = answer.status_code, answer.headers.get("X-Session-Store")
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            answer, status, store = None, 0, None
        return answer, Told(status, store, began, time.monotonic() - began)

    def append(self, client, name):
        """Appends to sessions of its own and to some that all clients share; every other time with a key, which it
        sends again until it is taken."""
        for number in itertools.count():
            if self.is_over.is_set():
                return
            part = number // MESSAGES_PER_SESSION
            session = f"own-{name}-{part}" if number % 3 else f"shared-{part}"
            content = f"{name} {number}"
            headers = {"Idempotency-Key": content} if number % 2 else {}
            while True:
                _, told = self.send(
                    client, "POST", f"/sessions/{session}/messages", json=user(content), headers=headers)
                self.answers.append(told)
                if told.status == 201:
                    self.acknowledged[session, name].append(content)
                if told.status == 201 or not headers or self.is_over.wait(0.05):
                    break
            if told.status == 201 and told.store != "mongodb":
                self.read_back(client, session, content)
            time.sleep(0.005)

    def read_back(self, client, session, content):
        """What was acknowledged on this host is known from then on, whichever worker of it is asked."""
        answer, told = self.send(client, "GET", f"/sessions/{session}")
        self.answers.append(told)
        if told.status != 200 or user(content) not in answer.json()["messages"]:
            self.missed.append((session, content, told))

    def ask(self, client, path):
        while not self.is_over.wait(0.02):
            answer, told = self.send(client, "GET", path)
            self.health[path].append(told)
            if path == "/health" and told.status == 200:
                before, self.state = self.state, answer.json()
                if before.get("mongodb") != self.state["mongodb"]:
                    self.turns.append((time.monotonic(), self.state["mongodb"]))

    # What a test waits for

    def until(self, seconds=20, **expected):
        wait_until(
            lambda: self.errors or expected.items() <= self.state.items(), f"health tells {expected}: {self.state}", seconds)

    def until_taken(self, count, store):
        """Waits until that many more appends were taken by one store."""

        def taken():
            return sum(told.status == 201 and told.store == store for told in self.answers)

        goal = taken() + count
        wait_until(lambda: self.errors or taken() >= goal, f"{store} takes {count} appends", 20)

    # What a test asserts

    def check_stored(self, sessions):
        """What `check_contents` has it, of a collection of MongoDB's."""
        self.check_contents({document["_id"]: document["messages"] for document in sessions.find()})

    def check_contents(self, messages):
        """Every acknowledged message is stored once and in its client's order; nothing is stored twice."""
        stored = {session: [message["content"] for message in of_it] for session, of_it in messages.items()}
        for session, contents in stored.items():
            assert len(contents) == len(set(contents)), f"{session} holds a message twice: {contents}"
        for (session, name), contents in self.acknowledged.items():
            own = [content for content in stored.get(session, []) if content.startswith(f"{name} ")]
            missing = set(contents) - set(own)
            assert not missing, f"{session} lacks {sorted(missing)}"
            assert own == sorted(own, key=lambda content: int(content.split()[1])), f"{session}: {own}"

    def check_reads(self):
        assert not self.missed

    def check_times(self):
        """Nobody waited long; once the loss was known nobody waited at all; health was told within a second."""
        assert max(told.seconds for told in self.answers) < 8
        for path, told in self.health.items():
            assert max(one.seconds for one in told) < 1, path
        assert all(told.status == 200 for path in ("/health", "/health/live") for told in self.health[path])
        for (lost, state), (back, _) in zip(self.turns, [*self.turns[1:], (float("inf"), "")]):
            if state == "disconnected":
                waits = [told.seconds for told in self.answers if lost < told.began < back]
                assert max(waits, default=0) < 1
