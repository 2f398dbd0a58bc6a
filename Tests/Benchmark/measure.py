"""One measurement: load from wrk, and what the processes under it spent meanwhile."""

import json
import os
import pathlib
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
SCRIPT = pathlib.Path(__file__).with_name("load.lua")


def run_wrk(url, workload, connections, seconds, *arguments):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", SCRIPT, url, "--", workload]
    return subprocess.run(list(map(str, [*command, *arguments])), capture_output=True, text=True)


def wrk(url, workload, connections, seconds, sessions):
    result = run_wrk(url, workload, connections, seconds, sessions, 1, 0)
    lines = [line for line in result.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, f"wrk failed:\n{result.stdout}{result.stderr}"
    return json.loads(lines[0].removeprefix("RESULT "))


def fill(url, sessions, per_request, requests):
    result = run_wrk(url, "fill", 16, 600, sessions, per_request, requests)
    filled = result.returncode == 0 and "RESULT" not in result.stdout
    assert filled, "an append failed while sessions were filled, or there was no time for all of them"


def status_of(pid):
    """The fields of /proc/PID/stat that follow the name, which may hold anything."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def with_children(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def cpu_seconds(processes):
    """What all threads of these processes and of their children have used."""
    pids = [pid for process in processes for pid in with_children(process.process.pid)]
    return sum(int(ticks) for pid in pids for ticks in status_of(pid)[11:13]) / TICKS


def machine_cpu_seconds():
    """What everything on the machine has used; time that the hypervisor took away counts as used."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, idle, waiting, *rest = map(int, fields)
    return (user + nice + system + sum(rest)) / TICKS


def resident_megabytes(process):
    status = pathlib.Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def measure(subject, workload, connections, seconds, warm_up):
    """Loads a subject and returns the measured row."""
    load = (subject.url, subject.wire_name(workload), connections)
    if warm_up:
        wrk(*load, warm_up, subject.sessions)
    parts = {"nginx": [subject.nginx], "worker": subject.workers, "mongod": [subject.mongod] if subject.mongod else []}
    before = {name: cpu_seconds(processes) for name, processes in parts.items()}
    children = os.times()
    machine, began = machine_cpu_seconds(), time.monotonic()
    result = wrk(*load, seconds, subject.sessions)
    machine, elapsed = machine_cpu_seconds() - machine, time.monotonic() - began
    spent = {name: cpu_seconds(processes) - before[name] for name, processes in parts.items()}
    now = os.times()
    spent_by_wrk = now.children_user + now.children_system - children.children_user - children.children_system
    subject.truncate_logs()
    thousands = max(result["requests"], 1) / 1000
    return {
        "kind": "load", "store": subject.store, "program": subject.name, "workload": workload,
        "connections": connections, "rate": result["requests"] / result["seconds"],
        "p50": result["p50"], "p99": result["p99"],
        **{name: used / thousands for name, used in spent.items()},
        "wrk": spent_by_wrk / thousands, "refused": result["refused"], "broken": result["broken"],
        "others": max(0, machine - sum(spent.values()) - spent_by_wrk) / elapsed,
    }
