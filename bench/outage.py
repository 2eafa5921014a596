#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A node without Loki: pods write and rotate, nothing answers, then Loki is back. What
the agent took meanwhile, and whether its ledger says what the sink misses.

  bench/outage.py                         an hour: 20 pods, 10 MB/s, rotation as the kubelet's default
  bench/outage.py --seconds=360 --rotate-size=1000000 --pinned=100MB
                                          the same in a tenth of the time, bytes and budget

The files need twice (20 pods x 5 generations x rotation size) + what is pinned: 3 GB for the hour.
"""
import argparse
import re
import json
import sys
import time
import urllib.request

import harness
from harness import Refused, mib, note

CONFIG = """\
server: {{http_listen_address: 127.0.0.1, http_listen_port: 0}}
positions: {{filename: {folder}/positions.yaml}}
{limits}clients: [{{url: 'http://127.0.0.1:{port}/loki/api/v1/push'{client}}}]
scrape_configs:
  - job_name: pods
    static_configs: [{{targets: [localhost], labels: {{job: pods, __path__: '{folder}/pods/*/*/*.log'}}}}]
    pipeline_stages: [{{cri: {{}}}}]
"""
LISTENING = re.compile(r"server listening.* port=(\d+)")


def closed_port(args):
    """A port that nothing listens on, and on which the sink will."""
    with harness.Sink(args.programs) as sink:
        return sink.port


def metric(url, name):
    """The sum of a counter over its labels."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{name}(\{{|\s)", line))


def server_of(agent, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = LISTENING.search(agent.log.read_text(errors="replace"))
        if found:
            return f"http://127.0.0.1:{found[1]}"
        time.sleep(0.05)
    raise Refused(f"the agent's server did not start:\n{agent.tail()}")


def drain(args, sink, agent, began):
    """Until nothing has come for a while; the sink's word and how long it took."""
    last, peak = (-1, time.monotonic()), 0
    while time.monotonic() - last[1] < args.settle:
        time.sleep(0.2)
        if not agent.alive():
            raise Refused(f"the agent ended:\n{agent.tail()}")
        stats = sink.stats()
        peak = max(peak, agent.rss_now())
        if stats["marks"] != last[0]:
            last = (stats["marks"], time.monotonic())
    return stats, last[1] - began, peak


def run(args):
    port = closed_port(args)
    with harness.scratch(3 << 30) as folder:
        (folder / "pods").mkdir()
        config = CONFIG.format(folder=folder, port=port,
                               limits=f"limits_config: {{pinned_bytes: {args.pinned}}}\n" if args.pinned else "",
                               client=f", backoff_config: {{max_period: {args.max_backoff}}}" if args.max_backoff else "")
        (folder / "agent.yaml").write_text(config)
        with harness.Process([args.programs.agent, f"-config.file={folder / 'agent.yaml'}"], folder / "agent.log") as agent:
            url = server_of(agent)
            with harness.live_writer(args.programs, folder, pods=args.pods, rate=args.rate, rotate_size=args.rotate_size,
                                     keep=args.keep) as writer:
                away = harness.window(agent, args.seconds)
                waiting = {"lost": metric(url, "sluice_unread_bytes_lost_total"), "pinned": metric(url, "sluice_pinned_bytes")}
                note(f"Loki is back: {mib(away['peak'])} RSS so far, {away['cpu'] / away['seconds']:.4f} core, "
                     f"{waiting['lost'] / 1e9:.2f} GB lost")
                before = agent.cpu_now()
                with harness.Sink(args.programs, f"--port={port}", *args.sink_option) as sink:
                    back = time.monotonic()
                    sink.wait(1, 400, agent.alive)
                    began = time.monotonic()
                    time.sleep(args.together)
                    writer.terminate()
                    writer.wait()
                    written = json.loads((folder / "live.json").read_text())
                    stats, seconds, peak = drain(args, sink, agent, began)
                    found = {"noticed": began - back, "cpu": agent.cpu_now() - before, "seconds": seconds, "peak": peak,
                             "lost": metric(url, "sluice_unread_bytes_lost_total"), "line_bytes": stats["line_bytes"],
                             "marks": stats["marks"], "duplicates": stats["duplicates"], "reordered": stats["reordered"],
                             "requests": stats["requests"]}
                    agent.stop()
    lost_lines = written["lines"] - found["marks"]
    # The ledger counts bytes as they lie in files; the sink knows lines only.
    expected = lost_lines * written["bytes"] / written["lines"]
    return {"pods": args.pods, "rate": args.rate, "rotate_size": args.rotate_size, "keep": args.keep, "pinned": args.pinned,
            "away": away, "waiting": waiting, "written_bytes": written["bytes"], "written_lines": written["lines"],
            "lost_lines": lost_lines, "lost_bytes_by_lines": expected, "drain": found}


def apart(found):
    """How far the ledger is from what the sink misses, as a share of all bytes."""
    return abs(found["drain"]["lost"] - found["lost_bytes_by_lines"]) / found["written_bytes"]


def rows(found):
    away, drained = found["away"], found["drain"]
    return [["written", f"{found['pods']} pods, {found['rate']}, files of {found['rotate_size'] / 1e6:.1f} MB, {found['keep']} kept: "
                        f"{found['written_bytes'] / 1e9:.2f} GB, {found['written_lines']:,} lines"],
            ["without Loki", f"{away['seconds']:.0f} s: {mib(away['peak'])} RSS at most, {away['cpu'] / away['seconds']:.4f} core"],
            ["pinned when Loki came back", f"{found['waiting']['pinned'] / 1e6:.0f} MB"],
            ["first lines after Loki came back", f"{drained['noticed']:.1f} s"],
            ["drain, the pods writing on", f"{drained['seconds']:.0f} s, {drained['cpu']:.1f} s CPU for {drained['line_bytes'] / 1e6:.0f} MB "
                                           f"of lines, {mib(drained['peak'])} RSS at most"],
            ["arrived", f"{drained['marks']:,} lines, {drained['duplicates']} twice, {drained['reordered']} out of order"],
            ["lost, by the ledger", f"{drained['lost'] / 1e9:.3f} GB"],
            ["written less arrived", f"{found['lost_lines']:,} lines, by their mean size {found['lost_bytes_by_lines'] / 1e9:.3f} GB "
                                     f"({apart(found):.3%} of all apart)"]]


def good(found):
    # The lost lines' mean size is that of all only as far as there are many.
    enough = 0.001 + 2 / (found["lost_lines"] + 1) ** 0.5 if found["lost_lines"] else 0
    return found["drain"]["duplicates"] == 0 and found["drain"]["reordered"] == 0 and apart(found) <= enough


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=harness.ROOT / "build" / "release")
    parser.add_argument("--agent", help="this program instead of the build's")
    parser.add_argument("--seconds", type=float, default=3600, help="without Loki (3600)")
    parser.add_argument("--pods", type=int, default=20)
    parser.add_argument("--rate", default="10MB/s")
    parser.add_argument("--rotate-size", type=int, default=10485760)
    parser.add_argument("--keep", type=int, default=5)
    parser.add_argument("--pinned", default="", help="limits_config.pinned_bytes (the agent's default, 1 GiB)")
    parser.add_argument("--max-backoff", default="", help="backoff_config.max_period (Promtail's default, 5m)")
    parser.add_argument("--together", type=float, default=20, help="seconds that the pods go on after the first lines have come (20)")
    parser.add_argument("--settle", type=float, default=12, help="drained when nothing comes for so many seconds (12)")
    parser.add_argument("--sink-option", action="append", default=[], help="for the sink, such as --dump=FILE")
    parser.add_argument("--save", metavar="NAME", help="write bench/results/NAME.json")
    args = parser.parse_args()
    args.programs = harness.Programs(args.build, args.agent)
    found = {**harness.facts(args.programs), **run(args)}
    print(harness.table(rows(found), ["", "measured"]))
    if args.save:
        harness.save(args.save, found)
    if not good(found):
        note("outage: lines came twice or out of order, or the ledger is wrong")
    return 0 if good(found) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"outage: {refused}")
