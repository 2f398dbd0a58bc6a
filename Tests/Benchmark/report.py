"""A run's rows as tables: medians, with the least and the most of the repetitions."""

import collections
import json
import statistics


def line(row):
    return (f"{row['store']:8} {row['program']:10} {row['workload']:7} {row['connections']:5} "
            f"{row['rate']:9,.0f}/s  p50 {row['p50']:8.2f} p99 {row['p99']:8.2f} ms  CPU nginx {row['nginx']:.3f} "
            f"worker {row['worker']:.3f} mongod {row['mongod']:.3f}  refused {row['refused']} broken {row['broken']} "
            f"others {row['others']:.2f}")


def tables(path):
    rows = [json.loads(text) for text in path.read_text().splitlines()]
    run, rows = rows[0], rows[1:]
    groups = collections.defaultdict(list)
    for row in rows:
        if row["kind"] == "load":
            groups[row["group"]].append(row)
    parts = [described(run)]
    for group, loads in groups.items():
        table = load_table(loads, "program" if group == "requests" else "number")
        parts.append(f"**{group[0].upper()}{group[1:]}**\n\n{table}")
        parts.append(ratio_table(loads))
    parts.append(start_table(rows))
    return "\n\n".join(filter(None, parts)) + "\n"


def described(run):
    return (f"{run['date']}, {run['cpus']} cores, {run['memory_gb']} GB, {run['system']}, Linux {run['kernel']}; "
            f"{'; '.join(run['versions'])}. Medians of {run['repetitions']} (least–most), each over {run['seconds']} s "
            f"after {run['warm_up']} s of warming up; {run['sessions']:,} sessions.")


def load_table(rows, varied):
    lines = [["workload", "connections", "store", varied, "req/s", "p50 ms", "p99 ms", "nginx", "worker", "mongod",
              "errors", "others"]]
    cells = collections.defaultdict(list)
    for row in rows:
        cells[row["workload"], row["connections"], row["store"], row["program"]].append(row)
    for key, several in cells.items():
        column = lambda name: [row[name] for row in several]
        errors = sum(column("refused")) + sum(column("broken"))
        lines.append([
            *key, spread(column("rate"), ",.0f"), spread(column("p50"), ".1f"), spread(column("p99"), ".1f"),
            spread(column("nginx"), ".3f"), spread(column("worker"), ".3f"),
            spread(column("mongod"), ".3f") if key[2] == "mongodb" else "", f"{errors:,}",
            f"{statistics.median(column('others')):.2f}"])
    return markdown(lines)


def ratio_table(rows):
    """The worker against the C program that does the same, taken repetition by repetition."""
    names = ("program", "store", "workload", "connections", "repetition")
    cells = {tuple(row[name] for name in names): row for row in rows}
    ratios = collections.defaultdict(list)
    for (program, store, workload, connections, repetition), row in cells.items():
        peer = ("c-hello", "none") if workload == "live" else ({"memory": "c-memory"}.get(store, "c-mongo"), store)
        other = cells.get((*peer, workload, connections, repetition))
        if program == "worker" and other:
            ratios[workload, connections, store, peer[0]].append((row, other))
    if not ratios:
        return None
    lines = [["workload", "connections", "store", "against", "worker's CPU", "mongod's CPU", "req/s", "p99"]]
    for key, pairs in ratios.items():
        ratio = lambda name: spread([ours[name] / (theirs[name] or float("nan")) for ours, theirs in pairs], ".2f")
        mongod = ratio("mongod") if key[2] == "mongodb" and key[0] not in ("live", "health") else ""
        lines.append([*key, ratio("worker"), mongod, ratio("rate"), ratio("p99")])
    return markdown(lines)


def start_table(rows):
    subjects = {(row["program"], row["store"]): {} for row in rows if row["kind"] == "memory"}
    if not subjects:
        return None
    lines = [["program", "store", "idle MB", "after MB", "ms to first answer", "ms to first answer from the store"]]
    for program, store in subjects:
        mine = [row for row in rows if row.get("program") == program and row.get("store") == store]
        memory = {row["when"]: row["megabytes"] for row in mine if row["kind"] == "memory"}
        starts = [row for row in mine if row["kind"] == "start"]
        lines.append([
            program, store, f"{memory['idle']:.0f}", f"{memory['after']:.0f}" if "after" in memory else "",
            *(spread([row[name] for row in starts], ".0f") if starts else "" for name in ("live", "stored"))])
    return f"**Memory and start**\n\n{markdown(lines)}"


def spread(values, form):
    text = f"{statistics.median(values):{form}}"
    if len(values) > 1:
        text += f" ({min(values):{form}}–{max(values):{form}})"
    return text


def markdown(lines):
    head, *rest = lines
    marks = ["--:" if any(str(cell)[:1].isdigit() for cell in column) else "---" for column in zip(*rest)]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in [head, marks, *rest])
