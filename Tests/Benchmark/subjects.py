"""What is measured: workers, or programs to compare them with, each behind an nginx of its own."""

import datetime
import http.client
import os
import time

import bson
from bson.raw_bson import RawBSONDocument

from measure import fill, resident_megabytes
from processes import Mongod, Nginx, Process, Worker, initiate, start

TEXT = ("What one says to another. " * 8)[:200]
# A connection that nginx keeps holds one of a C program's threads: as many threads as nginx can keep connections.
C_THREADS = 64 * os.cpu_count() + 64

# One client's limits would be measured instead of the service. Nginx has raised the rates already.
NGINX_EDITS = [
    ("nginx.conf", "worker_connections 2048;", "worker_connections 16384;"),
    ("nginx.conf", "worker_rlimit_nofile 8192;", "worker_rlimit_nofile 65536;"),
    ("session-fcgi/server.conf", "burst=200", "burst=65000"),
    ("session-fcgi/server.conf", "burst=100", "burst=65000"),
    ("session-fcgi/server.conf", "session_fcgi_client_open 200;", "session_fcgi_client_open 65000;"),
    ("session-fcgi/server.conf", "session_fcgi_session_open 50;", "session_fcgi_session_open 65000;"),
]


class BenchMongod(Mongod):
    """A replica set of one with a cache of the size that is asked for."""

    def __init__(self, folder, cache):
        super().__init__(folder, replica_set="bench", starts=False)
        self.arguments[self.arguments.index("--wiredTigerCacheSizeGB") + 1] = cache
        self.start()
        initiate("bench", [self])

    def fill(self, database, sessions, messages):
        """Writes sessions s0, s1, … that were updated now, far faster than through the service."""
        now = datetime.datetime.now(datetime.timezone.utc)
        message = {"role": "user", "content": TEXT}
        rest = bson.encode({
            "messages": [message] * messages, "created_at": now, "updated_at": now, "seq": bson.Int64(messages)})

        def document(number):
            # Only the _id differs: its bytes go before those that all documents share.
            head = bson.encode({"_id": f"s{number}"})[4:-1]
            return RawBSONDocument((len(rest) + len(head)).to_bytes(4, "little") + head + rest[4:])

        batch = max(1, 8_000_000 // len(rest))
        with self.client() as client:
            collection = client[database].get_collection("sessions")
            for first in range(0, sessions, batch):
                numbers = range(first, min(first + batch, sessions))
                collection.insert_many(map(document, numbers), ordered=False)


class BenchWorker(Worker):
    """A worker whose way to its first answer is timed, and not waited for before."""

    def until_it_accepts(self, address):
        self.began = time.monotonic()

    def restart(self):
        self.process.kill()
        self.process.wait()
        self.start()


class CProgram(Process):
    """A program to compare with. It has its settings from its environment."""

    def __init__(self, folder, program, name, uri):
        self.socket = folder / f"{name}.sock"
        self.log = folder / f"{name}.log"
        settings = {"SOCKET": str(self.socket), "THREADS": str(C_THREADS), "MONGO_URI": uri}
        self.process = start([program], self.log, env=os.environ | settings)
        self.until_it_accepts(str(self.socket))


class Subject:
    """Programs of one kind behind an nginx, and the sessions that they hold."""

    def __init__(self, bench, name, store, messages=30, count=1, c_program=None, **settings):
        self.name, self.store, self.messages, self.sessions = name, store, messages, 0
        self.is_c = c_program is not None
        self.mongod = bench.mongod if store == "mongodb" else None
        # The one that the C program knows.
        self.database = "pharmai" if self.is_c else f"bench-{bench.number()}"
        folder = bench.folder / f"{bench.number()}"
        folder.mkdir()
        names = [f"worker-{number}" for number in range(count)]
        self.nginx = bench.keep(Nginx(folder, [folder / f"{name}.sock" for name in names], edits=NGINX_EDITS))
        self.url = f"http://127.0.0.1:{self.nginx.http_port}"
        if self.is_c:
            uri = self.mongod.uri if self.mongod else ""
            self.workers = [bench.keep(CProgram(folder, c_program, names[0], uri))]
        else:
            if self.mongod:
                settings |= {"MONGO_URI": self.mongod.uri, "MONGO_DATABASE": self.database}
            self.workers = [bench.keep(BenchWorker(folder, name=name, **settings)) for name in names]
        self.first_answer("/health")

    def first_answer(self, path):
        """Asks until there is an answer other than a failure; when it came."""
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.nginx.http_port, timeout=10)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
            if status < 500:
                return time.monotonic()
            time.sleep(0.001)

    def time_of_starts(self, times):
        """Milliseconds from starting the worker to its first answer, and to the first that needed its store."""
        worker, = self.workers
        starts = []
        for _ in range(times):
            worker.restart()
            moments = [self.first_answer(path) for path in ("/health/live", "/sessions/s0")]
            starts.append([(moment - worker.began) * 1000 for moment in moments])
        return starts

    def fill(self, sessions):
        """Fills every session up to its cap."""
        self.sessions = sessions
        if self.mongod:
            self.mongod.fill(self.database, sessions, self.messages)
        elif self.name != "c-hello":
            # The C program takes one message a request.
            per_request = 1 if self.is_c else min(self.messages, 1000)
            fill(self.url, sessions, per_request, sessions * self.messages // per_request)
        self.truncate_logs()

    def wire_name(self, workload):
        return "health" if self.is_c and workload == "live" else workload

    def resident_megabytes(self):
        return sum(map(resident_megabytes, self.workers))

    def truncate_logs(self):
        for log in [self.nginx.access_log, *(worker.log for worker in self.workers)]:
            os.truncate(log, 0)
