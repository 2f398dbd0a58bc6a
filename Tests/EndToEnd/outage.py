"""What tests of a MongoDB that goes away and comes back have in common."""

import contextlib

from client import user
from processes import wait_until

# Shortens the driver's patience where it is not what is tested.
QUICK = "&serverSelectionTimeoutMS=500"


@contextlib.contextmanager
def sessions_of(server):
    with server.client() as client:
        yield client.pharmai.sessions


def health(site):
    return site("GET", "/health").json()


def until(site, seconds=20, **expected):
    """Waits until health tells it, whichever worker answers: each finds out by itself."""
    times = 1 if len(site.workers) == 1 else 3 * len(site.workers)
    wait_until(
        lambda: all(expected.items() <= health(site).items() for _ in range(times)), f"health tells {expected}", seconds)


def until_lost(site):
    """Uses the database until it is known to be away."""
    wait_until(lambda: site("POST", "/sessions/probe/messages", user("p")) and health(site)["mongodb"] == "disconnected",
               "the loss is known")


BACK = {"status": "ok", "mongodb": "connected", "store": "mongodb", "pending_operations": 0}
