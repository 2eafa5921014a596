#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent beside others: same files, same sink, same labels, same run.

Each peer is the program that a variable names or the PATH holds; absent ones are named.
A peer that loses, doubles or reorders a line gets no number, but the reason.

  bench/peers.py                       all that are found, every measurement
  bench/peers.py --job cri-json-labels --only promtail fluent-bit
  PROMTAIL_BIN=... FLUENT_BIT_BIN=... VECTOR_BIN=... OTELCOL_BIN=... ALLOY_BIN=... bench/peers.py

How each is configured is in this file, one function each, and in the result: labels
namespace, pod, container and stream, batches of 1 MiB and 1 s, gzip or snappy as each
does by default, one worker, positions kept where the program can.

vlagent is not among them: it sends in VictoriaLogs' own protocol only, which neither Loki
nor the sink speaks, so that nobody could check that every line arrived.

Beside the jobs there are two points: `idle` (500 pods that say nothing: what 30 s cost)
and `kills` (20 pods write and rotate, the program is killed five times, Loki is away for
a few seconds in between: what is lost and what came twice).
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import harness
import scenarios
from fake_kube import fake_kube
from harness import Refused, median, mib, note


class Peer:
    """One program: how it is found, configured and started."""

    def __init__(self, name, variable, programs, jobs, configure, version=("--version",), settle=0.0):
        self.name, self.variable, self.names, self.jobs = name, variable, programs, jobs
        self.configure, self.version_words, self.settle = configure, version, settle
        self.path = None

    def find(self):
        given = os.environ.get(self.variable)
        self.path = given or next((found for found in map(shutil.which, self.names) if found), None)
        return self.path

    def version(self):
        done = subprocess.run([self.path, *self.version_words], capture_output=True, text=True, timeout=20)
        found = re.search(r"v?\d+\.\d+\.\d+[-\w.+]*", done.stdout + done.stderr)
        return found[0] if found else "unknown"


# ---- configurations: (folder, tree, sink, job, API server) -> the words after the program ----


def configure_agent(folder, tree, sink, job, _):
    path = folder / "agent.yaml"
    path.write_text(scenarios.promtail_config(tree, sink.url, folder, job))
    return [f"-config.file={path}"]


def configure_promtail(folder, tree, sink, job, api_server):
    path = folder / "promtail.yaml"
    path.write_text(scenarios.promtail_config(tree, sink.url, folder, job, api_server=api_server))
    return [f"-config.file={path}"]


def by_pod(tree):
    """(namespace, pod, container, glob) of every pod."""
    return [(each["namespace"], each["pod"], each["container"], each["path"].rsplit("/", 1)[0] + "/*.log")
            for each in tree.files]


def configure_fluent_bit(folder, tree, sink, job, _):
    """One tail input; namespace, pod and container from the tag, without an API server."""
    with_json = job.name == "cri-json-labels"
    inputs = [{"name": "tail", "path": f"{tree.path}/*/*/*.log", "tag": "pods.<namespace>.<pod>.<container>",
               "tag_regex": r"/pods/(?<namespace>[^_/]+)_(?<pod>[^_/]+)_[^/]+/(?<container>[^/]+)/",
               "read_from_head": True, "multiline.parser": "cri", "refresh_interval": 1, "buffer_max_size": "256k",
               "db": f"{folder}/tail.db"}]
    filters = [{"name": "record_modifier", "match": "pods.*", "remove_key": ["_p", "time"]}]
    labels = "namespace=$TAG[1],pod=$TAG[2],container=$TAG[3],stream=$stream"
    if with_json:
        filters.append({"name": "parser", "match": "pods.*", "key_name": "log", "parser": "app_json",
                        "reserve_data": True, "preserve_key": True})
        labels += ",level=$level"
    output = {"name": "loki", "match": "pods.*", "host": "127.0.0.1", "port": sink.port, "labels": labels,
              "remove_keys": "stream,level", "line_format": "json",
              "drop_single_key": "off" if with_json else "raw", "retry_limit": "no_limits"}
    parsers = folder / "parsers.yaml"
    parsers.write_text(json.dumps({"parsers": [{"name": "app_json", "format": "json"}]}))
    path = folder / "fluent-bit.yaml"
    path.write_text(json.dumps({
        "service": {"flush": 1, "log_level": "warn", "parsers_file": str(parsers)},
        "pipeline": {"inputs": inputs, "filters": filters, "outputs": [output]}}))
    return ["-c", str(path)]


def configure_vector(folder, tree, sink, job, _):
    (folder / "vector-data").mkdir(exist_ok=True)
    vrl = r"""
. |= parse_regex!(.message, r'^(?P<time>\S+) (?P<stream>\S+) (?P<flag>[PF]) (?P<text>.*)$')
. |= parse_regex!(.file, r'pods/(?P<namespace>[^_]+)_(?P<pod>[^_]+)_[^/]+/(?P<container>[^/]+)/')
.message = .text
.timestamp = parse_timestamp!(.time, "%+")
"""
    labels = {name: "{{ " + name + " }}" for name in ("namespace", "pod", "container", "stream")}
    if job.name == "cri-json-labels":
        vrl += ".level = parse_json!(.message).level\n"
        labels["level"] = "{{ level }}"
    path = folder / "vector.json"
    path.write_text(json.dumps({
        "data_dir": str(folder / "vector-data"),
        "sources": {"pods": {"type": "file", "include": [f"{tree.path}/*/*/*.log"], "read_from": "beginning",
                             "fingerprint": {"strategy": "device_and_inode"}, "max_line_bytes": 262144}},
        "transforms": {"cri": {"type": "remap", "inputs": ["pods"], "source": vrl}},
        "sinks": {"loki": {"type": "loki", "inputs": ["cri"], "endpoint": sink.url, "labels": labels,
                           "encoding": {"codec": "text"}, "out_of_order_action": "accept",
                           "batch": {"max_bytes": 1048576, "timeout_secs": 1}}}}))
    return ["--config", str(path), "--quiet"]


def configure_otelcol(folder, tree, sink, job, _):
    """filelog with the container operator; OTLP, since the Loki exporter was removed."""
    operators = [{"type": "container"}]
    if job.name == "cri-json-labels":
        operators.append({"type": "json_parser", "parse_from": "body", "parse_to": "attributes"})
    path = folder / "otelcol.yaml"
    path.write_text(json.dumps({
        "receivers": {"filelog": {"include": [f"{tree.path}/*/*/*.log"], "include_file_path": True,
                                  "start_at": "beginning", "poll_interval": "200ms", "operators": operators}},
        "processors": {"batch": {"send_batch_size": 8192, "timeout": "1s"}},
        "exporters": {"otlphttp": {"logs_endpoint": f"{sink.url}/otlp/v1/logs", "compression": "gzip",
                                   "sending_queue": {"num_consumers": 1}}},  # ten send out of order
        "service": {"telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
                    "pipelines": {"logs": {"receivers": ["filelog"], "processors": ["batch"],
                                           "exporters": ["otlphttp"]}}}}))
    return ["--config", str(path)]


def configure_alloy(folder, tree, sink, job, _):
    targets = ",\n    ".join("{" + ", ".join(f'"{key}" = "{value}"' for key, value in {
        "namespace": namespace, "pod": pod, "container": container, "__path__": glob}.items()) + "}"
        for namespace, pod, container, glob in by_pod(tree))
    more = ""
    if job.name == "cri-json-labels":
        more = '  stage.json { expressions = {level = ""} }\n  stage.labels { values = {level = ""} }\n'
    path = folder / "config.alloy"
    path.write_text(f"""logging {{ level = "warn" }}
local.file_match "pods" {{
  path_targets = [
    {targets},
  ]
  sync_period = "1s"
}}
loki.source.file "pods" {{
  targets    = local.file_match.pods.targets
  forward_to = [loki.process.pods.receiver]
}}
loki.process "pods" {{
  stage.cri {{}}
{more}  forward_to = [loki.write.sink.receiver]
}}
loki.write "sink" {{
  endpoint {{
    url        = "{sink.url}/loki/api/v1/push"
    batch_size = "1MiB"
    batch_wait = "1s"
  }}
}}
""")
    return ["run", f"--storage.path={folder}/alloy", "--server.http.listen-addr=127.0.0.1:0", "--disable-reporting",
            str(path)]


TWO = ("cri", "cri-json-labels")
EVERY = ("cri", "cri-json-labels", "cri-regex", "multiline", "chart")
PEERS = [
    Peer("promtail", "PROMTAIL_BIN", ["promtail"], EVERY, configure_promtail),
    Peer("fluent-bit", "FLUENT_BIT_BIN", ["fluent-bit"], TWO, configure_fluent_bit),
    Peer("vector", "VECTOR_BIN", ["vector"], TWO, configure_vector),
    Peer("otelcol", "OTELCOL_BIN", ["otelcol-contrib", "otelcol-k8s", "otelcol"], TWO, configure_otelcol),
    Peer("alloy", "ALLOY_BIN", ["alloy"], TWO, configure_alloy),
]


def one_run(args, peer, tree, job):
    with harness.scratch() as folder, harness.Sink(args.programs) as sink, fake_kube(tree) as kube:
        words = peer.configure(folder, tree, sink, job, kube.url)
        with harness.Process([peer.path, *words], folder / f"{peer.name}.log", cwd=folder) as process:
            try:
                stats = sink.wait(tree.lines, args.timeout, process.alive)
            except Refused as refused:
                raise Refused(f"{refused}; it said last: {process.tail(3)}") from None
            wall = stats["last_push_ns"] / 1e9 - process.started
            usage = process.stop()
        stats = sink.stats()
    faults = {key: stats[key] for key in ("missing", "duplicates", "reordered", "unmarked") if stats[key]}
    if faults:
        raise Refused(f"the sink found {faults}")
    return {"cpu": usage.cpu, "rss": usage.rss, "wall": wall, "streams": stats["streams"]}


def measure(args, peers, job):
    found = {peer.name: {"version": peer.version(), "runs": [], "refused": ""} for peer in peers}
    with harness.scratch(args.size) as folder:
        tree = harness.make_tree(args.programs, folder, **job.sized(args.size))
        floors = []
        for number in range(args.runs):
            floors.append(harness.run_floor(args.programs, tree)["cpu"])
            for peer in peers:
                entry = found[peer.name]
                if entry["refused"]:
                    continue
                try:
                    entry["runs"].append(one_run(args, peer, tree, job))
                    note(f"  {job.name} {number + 1}/{args.runs} {peer.name}: {entry['runs'][-1]['cpu']:.2f} s")
                except Refused as refused:
                    entry["refused"] = str(refused)
                    note(f"  {job.name} {peer.name}: NO NUMBER: {refused}")
                time.sleep(args.pause)
    return {"bytes": tree.bytes, "lines": tree.lines, "floor": floors, "peers": found}


def idle(args, peer):
    with harness.scratch() as folder, harness.Sink(args.programs) as sink:
        tree = harness.make_tree(args.programs, folder, pods=500, lines=5000)
        words = peer.configure(folder, tree, sink, scenarios.PLAIN, "")
        with harness.Process([peer.path, *words], folder / f"{peer.name}.log", cwd=folder) as process:
            sink.wait(tree.lines, args.timeout, process.alive)
            time.sleep(12)  # past the first save of positions
            found = harness.window(process, args.idle_seconds)
    found["cpu_in_30_s"] = found["cpu"] * 30 / found["seconds"]
    return found


# Files of the same pod, live and rotated: every program is given time to read what it left.
KILLS = {"pods": 20, "rate": "2MB/s", "rotate_every_ms": 4000, "keep": 5, "reopen_delay_ms": 5}


def kills(args, peer):
    """Five times: two seconds, kill -9, start again. Loki answers 503 for four seconds."""
    with harness.scratch(1 << 27) as folder, harness.Sink(args.programs) as sink:
        tree = harness.make_tree(args.programs, folder, pods=KILLS["pods"], lines=0, idle_lines=0)
        words = peer.configure(folder, tree, sink, scenarios.PLAIN, "")
        start = lambda: harness.Process([peer.path, *words], folder / f"{peer.name}.log", cwd=folder)
        process = start()
        try:
            with harness.live_writer(args.programs, folder, **KILLS):
                for number in range(5):
                    time.sleep(2)
                    if number == 2:
                        sink.post("/control", {"status": 503})
                        time.sleep(4)
                        sink.post("/control", {})
                    os.kill(process.pid, signal.SIGKILL)
                    process.stop()
                    process = start()
                time.sleep(2)
            written = json.loads((folder / "live.json").read_text())["lines"]
            stats, still = sink.stats(), 0
            # Until all is there, or nothing new has come for a while.
            while stats["marks"] < written and still < 8:
                time.sleep(1)
                fresh = sink.stats()
                still = still + 1 if fresh["marks"] == stats["marks"] else 0
                stats = fresh
        finally:
            process.stop()
    return {"written": written, "lost": written - stats["marks"], "twice": stats["duplicates"],
            "reordered": stats["reordered"]}


def points(args, peers):
    """Both points for every peer, and their tables."""
    result = {"idle": {}, "kills": {}}
    for name, measured in (("idle", idle), ("kills", kills)):
        if name not in args.point:
            continue
        for peer in peers:
            try:
                result[name][peer.name] = {"version": peer.version(), **measured(args, peer)}
                note(f"  {name} {peer.name}: {result[name][peer.name]}")
            except Refused as refused:
                note(f"  {name} {peer.name}: NO NUMBER: {refused}")
    if result["idle"]:
        print(harness.table([[name, f"{each['cpu_in_30_s']:.3f} s", f"{each['wakeups_per_s']:.1f}", mib(each["rss"])]
                             for name, each in result["idle"].items()],
                            ["500 silent pods", "CPU in 30 s", "wake-ups per second", "RSS"]))
    if result["kills"]:
        print(harness.table([[name, f"{each['written']:,}", f"{each['lost']:,}", f"{each['twice']:,}", f"{each['reordered']:,}"]
                             for name, each in result["kills"].items()],
                            ["five kills, an outage, rotation", "lines written", "lost", "twice", "reordered"]))
    return result


def show(job, result):
    floor, rows = median(result["floor"]), []
    for name, entry in result["peers"].items():
        label = f"{name} {entry['version']}"
        if entry["refused"]:
            rows.append([label, "no number", "", "", "", entry["refused"].splitlines()[0][:70]])
            continue
        cpu = median(run["cpu"] for run in entry["runs"])
        rows.append([label, f"{result['bytes'] / 1e6 / cpu:.1f}", f"{result['lines'] / cpu:,.0f}", f"{cpu / floor:.2f}",
                     mib(max(run["rss"] for run in entry["runs"])), f"{median(run['wall'] for run in entry['runs']):.1f} s"])
    print(f"\n{job.title}: {mib(result['bytes'])}, {result['lines']:,} lines, floor "
          f"{result['bytes'] / 1e6 / floor:.0f} MB per CPU-second")
    print(harness.table(rows, ["program", "MB per CPU-s", "lines per CPU-s", "CPU / floor", "peak RSS", "wall"]))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(harness.ROOT / "build" / "release"))
    parser.add_argument("--agent")
    parser.add_argument("--job", nargs="*", default=["cri", "cri-json-labels"], choices=EVERY)
    parser.add_argument("--point", nargs="*", default=["idle", "kills"], choices=["idle", "kills"])
    parser.add_argument("--idle-seconds", type=float, default=30)
    parser.add_argument("--only", nargs="+", help="these peers only (the agent always runs)")
    parser.add_argument("--size", type=int, default=128, help="MiB in a tree")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--pause", type=float, default=0.5, help="seconds between runs")
    parser.add_argument("--save", default="peers", help="name under bench/results/")
    args = parser.parse_args()
    args.size <<= 20
    return args


def main():
    args = parse()
    args.programs = harness.Programs(args.build, args.agent)
    agent = Peer("agent", "", [], EVERY, configure_agent, version=("-version",))
    agent.path = str(args.programs.agent)
    chosen = [peer for peer in PEERS if not args.only or peer.name in args.only]
    found = [peer for peer in chosen if peer.find()]
    for peer in chosen:
        if not peer.path:
            print(f"absent: {peer.name} (not on the PATH, and {peer.variable} is not set)")
    result = {**harness.facts(args.programs), "absent": [peer.name for peer in chosen if not peer.path], "jobs": {}}
    for name in args.job:
        job = scenarios.BY_NAME[name]
        result["jobs"][name] = measure(args, [peer for peer in [agent, *found] if name in peer.jobs], job)
        show(job, result["jobs"][name])
    result["points"] = points(args, [agent, *found])
    harness.save(args.save, result)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"peers: {refused}")
