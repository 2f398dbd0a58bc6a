"""The files that workers keep in their state directory, as somebody beside them sees them."""

import contextlib
import os
import sqlite3
import sys


@contextlib.contextmanager
def reading(path):
    """A connection that cannot write."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield connection


@contextlib.contextmanager
def changing(path):
    """A connection that writes, while no worker runs. Afterwards all of the log is in the file, and the log is gone."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def was_in_a_checkpoint(path):
    """Whether whoever had the file open ended between the beginning and the end of a checkpoint: the log's index says how
    many of its frames were carried over, and how many were begun to be."""
    with open(f"{path}-shm", "rb") as index:
        numbers = index.read(132)
    done, begun = (int.from_bytes(numbers[place:place + 4], sys.byteorder) for place in (96, 128))
    return done < begun


def check_file(path):
    """SQLite finds the file in order, and its tables agree with each other."""
    with reading(path) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        count, messages = file.execute("SELECT count(*), coalesce(sum(next - first), 0) FROM sessions").fetchone()
        assert file.execute("SELECT sessions FROM totals").fetchone() == (count,)
        assert file.execute("SELECT count(*) FROM messages").fetchone() == (messages,)


def holder(folder):
    """The process that holds the lock on a folder now, if one does."""
    status = os.stat(folder)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with open("/proc/locks") as locks:
        for line in locks:
            # One that waits for the lock has an arrow.
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5] == device:
                return int(fields[4])
    return None
