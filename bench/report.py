#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of the documents from bench/results/*.json, so that no number is
copied by hand.

  bench/report.py docs/PERFORMANCE.md README.md     rewrite what stands between the marks
  bench/report.py --check FILE...                   exit 1 if a file would change

A mark is a line `<!-- bench:NAME -->`, its end `<!-- /bench -->`. NAME is one of the
functions of this file whose name begins with `block_`, with - for _.
"""
import argparse
import json
import pathlib
import re
import sys

import harness
import outage
import scenarios
from harness import median, mib

MARK = re.compile(r"(<!-- bench:([a-z-]+) -->\n)(.*?)(<!-- /bench -->)", re.S)
MISSING = "*Not measured yet.*\n"


def load(name):
    path = harness.RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def origin(result):
    """One sentence: which machine, which build, when."""
    machine, build = result["machine"], result["build"]
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, Linux {machine['kernel']}; commit "
            f"{build['commit']}, {build['compiler']}, `{build['flags']}`{' and LTO' if build['lto'] else ''}; "
            f"{result['date'][:10]}.\n")


def against(value, limit, better=lambda value, limit: value <= limit):
    if not limit:
        return ""
    return f"{limit:g} {'✓' if better(value, limit) else '✗'}"


def block_jobs():
    """Every job: floor, bare loop, hot path, agent."""
    result = load("e2e")
    if not result or not result["jobs"]:
        return MISSING
    rows = []
    for name, found in result["jobs"].items():
        job = scenarios.BY_NAME[name]
        agent, lane = found.get("agent"), found.get("lane")
        cell = lambda one: f"{one['ratio']:.2f}" if one else ""
        rows.append([job.title, f"{found['floor']['mb_per_cpu_s']:.0f}", cell(found["bare"]), cell(lane),
                     f"**{agent['ratio']:.2f}** ({agent['ratio_range'][0]:.2f}-{agent['ratio_range'][1]:.2f})" if agent else "",
                     against(agent["ratio"], job.goal_ratio) if agent else "",
                     f"{agent['mb_per_cpu_s']:.0f}" if agent else "",
                     mib(agent["rss"]) if agent else "",
                     against(agent["rss"] / 2**20, job.goal_rss_mib) if agent else ""])
    head = ["job", "floor, MB per CPU-s", "bare loop", "hot path alone", "agent", "goal", "agent, MB per CPU-s",
            "peak RSS", "goal, MiB"]
    return origin(result) + "\n" + harness.table(rows, head) + "\n"


def block_points():
    """The operating points."""
    result = load("e2e")
    if not result or not result["points"]:
        return MISSING
    points, rows = result["points"], []
    if "idle" in points:
        idle = points["idle"]
        rows += [["500 silent pods, CPU in 30 s", f"{idle['cpu_in_30_s']:.3f} s", against(idle["cpu_in_30_s"], 0.03)],
                 ["500 silent pods, wake-ups per second", f"{idle['wakeups_per_s']:.2f}", against(idle["wakeups_per_s"], 1)],
                 ["500 silent pods, RSS", mib(idle["rss"]), against(idle["rss"] / 2**20, 20)]]
    if "steady" in points:
        steady = points["steady"]
        rows += [["10 MB/s in 20 pods, cores", f"{steady['core']:.3f}", against(steady["core"], 0.03)],
                 ["10 MB/s in 20 pods, peak RSS", mib(steady["peak"]), ""]]
    for batchwait, found in points.get("latency", {}).items():
        rows.append([f"written to accepted, `batchwait` {batchwait}, p50 / p99",
                     f"{found['latency_ms']['p50']:.0f} / {found['latency_ms']['p99']:.0f} ms",
                     "1100" if batchwait == "1s" else ""])
    if "cold-start" in points:
        cold = points["cold-start"]
        rows += [[f"start with {cold['files']:,} files, first push", f"{cold['first_push']:.2f} s", against(cold["first_push"], 1)],
                 [f"start with {cold['files']:,} files, all shipped", f"{cold['steady']:.2f} s", against(cold["steady"], 5)]]
    if "lanes" in points:
        alone = points["lanes"]["lanes_gain"]
        rows.append(["two lanes instead of one, wall throughput of the lanes alone", f"{alone:.2f}",
                     against(alone, 1.7, lambda value, limit: value >= limit)])
        rows.append(["the same for the agent, its sender and the sink on the same two cores",
                     f"{points['lanes']['gain']:.2f}", ""])
    return origin(result) + "\n" + harness.table(rows, ["operating point", "measured", "goal"]) + "\n"


def block_sizing():
    """CPU and memory of a node's agent, from silence to full speed."""
    result = load("e2e")
    if not result or not {"idle", "sizing"} & set(result["points"]):
        return MISSING
    points, rows = result["points"], []
    if "idle" in points:
        rows.append(["500 pods, idle", f"{points['idle']['cpu_in_30_s'] / 30 * 1000:.1f} m", mib(points["idle"]["rss"])])
    rows += [[f"{rate} MB/s, {each['pods']} pods", f"{each['core'] * 1000:.0f} m", mib(each["peak"])]
             for rate, each in points.get("sizing", {}).items()]
    for name, title in (("cri", "20 files"), ("files-1000", "1,000 files"), ("files-10000", "10,000 files")):
        if "agent" in result["jobs"].get(name, {}):
            agent = result["jobs"][name]["agent"]
            rows.append([f"as fast as it can, {title}", f"{agent['mb_per_cpu_s']:.0f} MB per CPU-second", mib(agent["rss"])])
    return origin(result) + "\n" + harness.table(rows, ["load of a node", "CPU", "memory (peak RSS)"]) + "\n"


def block_peers():
    """Everyone on the same files."""
    result = load("peers")
    if not result:
        return MISSING
    out = [origin(result)]
    for name, found in result["jobs"].items():
        floor, rows = median(found["floor"]), []
        for peer, entry in found["peers"].items():
            title = f"{'Sluice' if peer == 'agent' else peer} {entry['version']}"
            if entry["refused"] or not entry["runs"]:
                rows.append([title, "no number", "", "", entry["refused"].splitlines()[0][:80]])
                continue
            cpu = median(run["cpu"] for run in entry["runs"])
            rows.append([title, f"{found['bytes'] / 1e6 / cpu:.1f}", f"{found['lines'] / cpu:,.0f}", f"{cpu / floor:.2f}",
                         mib(max(run["rss"] for run in entry["runs"]))])
        out.append(f"{scenarios.BY_NAME[name].title}: {mib(found['bytes'])} in 20 pods, {found['lines']:,} lines; the floor "
                   f"does {found['bytes'] / 1e6 / floor:.0f} MB per CPU-second.\n")
        out.append(harness.table(rows, ["program", "MB per CPU-s", "lines per CPU-s", "CPU / floor", "peak RSS"]) + "\n")
    called = lambda name, each: f"{'Sluice' if name == 'agent' else name} {each['version']}"
    if result["points"]["idle"]:
        out.append(harness.table([[called(name, each), f"{each['cpu_in_30_s']:.3f} s", f"{each['wakeups_per_s']:.1f}",
                                   mib(each["rss"])] for name, each in result["points"]["idle"].items()],
                                 ["500 silent pods", "CPU in 30 s", "wake-ups per second", "RSS"]) + "\n")
    if result["points"]["kills"]:
        out.append("20 pods write 2 MB/s and rotate every 4 s; five times `kill -9` and a new start; in between the sink answers "
                   "503 for 4 s.\n")
        out.append(harness.table([[called(name, each), f"{each['written']:,}", f"{each['lost']:,}", f"{each['twice']:,}"]
                                  for name, each in result["points"]["kills"].items()],
                                 ["program", "lines written", "lost", "came twice"]) + "\n")
    if result.get("absent"):
        out.append(f"Not found on this machine: {', '.join(result['absent'])}.\n")
    return "\n".join(out)


def block_profile():
    """Where the time goes."""
    out = []
    for path in sorted(harness.RESULTS.glob("profile-*.json")):
        result = json.loads(path.read_text())
        what = "the hot path alone" if result["lane"] else "the agent"
        shares = [[name, f"{share:.1f} %"] for name, share in result["purposes"].items() if share >= 0.5]
        out.append(f"Job `{result['job']}`, {what}:\n\n" + harness.table(shares, ["what for", "CPU time"]) + "\n")
        if (harness.RESULTS / f"flame-{result['job']}.svg").exists() and not result["lane"]:
            out.append(f"![Flame graph of {result['job']}](../bench/results/flame-{result['job']}.svg)\n")
    return "\n".join(out) or MISSING


def block_stages():
    """Instructions per line and what a stage adds."""
    path = harness.ROOT / "bench" / "micro" / "budget.json"
    if not path.exists():
        return MISSING
    from micro import jobs
    budget = json.loads(path.read_text())
    rows = []
    for name, found in budget["jobs"].items():
        base = jobs.base_of(name)
        more = f"{found['instructions'] - budget['jobs'][base]['instructions']:+,.0f}" if base in budget["jobs"] else ""
        rows.append([name, f"{found['instructions']:,.0f}", more, f"{found['allocations']:g}"])
    return harness.table(rows, ["job", "instructions per line", "of it the stages", "allocations per line"]) + "\n"


def block_stage_speed():
    """How fast each stage is beside the floor on the same lines."""
    result = load("stages")
    if not result:
        return MISSING
    from instructions import TIME_HEAD, time_row
    return origin(result) + "\n" + harness.table([time_row(*each) for each in result["jobs"].items()], TIME_HEAD) + "\n"


def block_scaling():
    """Every curve as a table, with its pictures."""
    result = load("scaling")
    if not result:
        return MISSING
    from scaling import CURVES
    out = [origin(result)]
    for name, found in result["curves"].items():
        rows = [[f"{int(x):,}", f"{point['ns_per_line']:.0f}", f"{point['floor_ns_per_line']:.0f}", f"{point['ratio']:.2f}",
                 f"{point['mb_per_s']:.0f}", f"{point['rss_mib']:.1f}"]
                for x, point in sorted(found.items(), key=lambda item: int(item[0]))]
        title = CURVES[name][1]
        out.append(f"### By {title}\n")
        out.append(harness.table(rows, [name, "CPU per line, ns", "floor's", "ratio", "MB per second", "peak RSS, MiB"]) + "\n")
        out.append(f"![CPU per line](../bench/results/scaling-{name}-cpu.svg)\n")
    return "\n".join(out)


def block_readme():
    """The few lines that the README shows: against Promtail, from one run."""
    peers = load("peers")
    found = (peers or {}).get("jobs", {}).get("cri")
    if not found or not {"agent", "promtail"} <= set(found["peers"]):
        return MISSING
    ours, theirs = found["peers"]["agent"], found["peers"]["promtail"]
    speed = lambda entry: found["bytes"] / 1e6 / median(run["cpu"] for run in entry["runs"])
    rss = lambda entry: max(run["rss"] for run in entry["runs"])
    rows = [["MB of CRI logs per CPU-second", f"{speed(ours):.0f}", f"{speed(theirs):.1f}"],
            ["lines per CPU-second", f"{speed(ours) * found['lines'] / found['bytes'] * 1e6:,.0f}",
             f"{speed(theirs) * found['lines'] / found['bytes'] * 1e6:,.0f}"],
            ["memory at full speed", mib(rss(ours)), mib(rss(theirs))]]
    idle, kills = peers["points"]["idle"], peers["points"]["kills"]
    if {"agent", "promtail"} <= set(idle):
        rows.append(["500 silent pods, CPU in 30 s",
                     *(f"{idle[name]['cpu_in_30_s']:.3f} s" for name in ("agent", "promtail"))])
    if {"agent", "promtail"} <= set(kills):
        lost = lambda each: f"{each['lost']:,} of {each['written']:,} lines"
        rows.append(["lost: five kills, 4 s without Loki, rotation", lost(kills["agent"]), lost(kills["promtail"])])
    return harness.table(rows, ["", "Sluice", f"Promtail {theirs['version']}"]) + f"\n\n{origin(peers)}"


def block_outage():
    """Without Loki for long (docs/DELIVERY.md)."""
    found = load("outage")
    if not found:
        return MISSING
    return origin(found) + "\n" + harness.table(outage.rows(found), ["", "measured"]) + "\n"


def render(text):
    def replaced(match):
        block = globals().get("block_" + match[2].replace("-", "_"))
        if block is None:
            sys.exit(f"report: no block is called {match[2]}")
        return f"{match[1]}{block()}{match[4]}"
    return MARK.sub(replaced, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    stale = []
    for path in args.files:
        text = path.read_text()
        fresh = render(text)
        if fresh != text:
            stale.append(str(path))
            if not args.check:
                path.write_text(fresh)
    if stale:
        print(("would change: " if args.check else "wrote ") + ", ".join(stale))
    return 1 if stale and args.check else 0


if __name__ == "__main__":
    sys.exit(main())
