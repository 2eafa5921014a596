#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the agent over generated pod trees into the sink, beside the floor in the same
run, and prints what it cost. No number is printed for a run that lost, doubled or
reordered a line.

  bench/e2e.py                     every job and every operating point
  bench/e2e.py cri idle            these
  bench/e2e.py --quick             small trees, one run: does it work at all
  bench/e2e.py --list              what there is
"""
import argparse
import contextlib
import json
import shlex
import subprocess
import sys
import time

import harness
import scenarios
from harness import Refused, mib, median, note


def start_agent(args, folder, config):
    path = folder / "agent.yaml"
    path.write_text(config)
    return harness.Process([args.programs.agent, f"-config.file={path}", *args.agent_flags], folder / "agent.log")


def check_agent(args):
    if not args.programs.agent.exists():
        raise Refused(f"{args.programs.agent} is not built")


def ship(args, tree, job=scenarios.PLAIN, batchwait="1s", sink_options=()):
    """One life of the agent over a finished tree: until the sink has all of it."""
    with harness.scratch() as folder, harness.Sink(args.programs, *sink_options) as sink:
        config = scenarios.promtail_config(tree, sink.url, folder, job, batchwait)
        with start_agent(args, folder, config) as agent:
            try:
                stats = sink.expect(tree.lines, args.timeout, agent.alive)
            except Refused as refused:
                raise Refused(f"{refused}\nthe agent said last:\n{agent.tail()}") from None
            wall = stats["last_push_ns"] / 1e9 - agent.started
            usage = agent.stop()
        if sink.stats()["duplicates"]:
            raise Refused("lines came again while the agent was stopping")
    return {"cpu": usage.cpu, "user": usage.user, "sys": usage.system, "rss": usage.rss, "wall": wall,
            "requests": stats["requests"], "streams": stats["streams"],
            "first_push": stats["first_push_ns"] / 1e9 - agent.started}


def run_lane(args, tree, pipeline, lanes=1):
    """The agent's hot path alone, nothing sent; a thread a lane."""
    with harness.scratch() as folder:
        path = folder / "pipeline.yaml"
        path.write_text(pipeline + "\n")
        with harness.Process([args.programs.lane, f"--pipeline={path}", f"--lanes={lanes}", tree.path], folder / "lane.json") as process:
            usage = process.finish(args.timeout)
        text = (folder / "lane.json").read_text()
        if process.process.returncode != 0:
            raise Refused(f"lane: {text.strip()}")
        said = json.loads(text)
    if said["lines"] != tree.lines:
        raise Refused(f"lane read {said['lines']} of {tree.lines} lines")
    return {"cpu": usage.cpu, "wall": said["wall_s"], "rss": said["max_rss_kib"] * 1024,
            "allocations_per_line": said["allocations"] / tree.lines}


def run_job(args, job):
    """Interleaved: floor, bare loop with sending, the hot path alone, the agent; again."""
    total = args.size
    with harness.scratch(total) as folder:
        tree = harness.make_tree(args.programs, folder, **job.sized(total))
        runs = []
        for number in range(args.runs):
            run = {"floor": harness.run_floor(args.programs, tree)}
            with harness.Sink(args.programs) as sink:
                run["bare"] = harness.run_floor(args.programs, tree, f"--send={sink.url}")
            if args.programs.lane.exists():
                run["lane"] = run_lane(args, tree, job.pipeline)
            if not args.no_agent:
                run["agent"] = ship(args, tree, job)
            runs.append(run)
            note(f"  {job.name} {number + 1}/{args.runs}: " +
                 ", ".join(f"{name} {one['cpu']:.2f} s" for name, one in run.items()))
        result = {"bytes": tree.bytes, "lines": tree.lines, "files": len(tree.files), "runs": runs}
    for name in runs[0]:
        cpus = [run[name]["cpu"] for run in runs]
        ratios = [run[name]["cpu"] / run["floor"]["cpu"] for run in runs]
        result[name] = {"cpu": median(cpus), "mb_per_cpu_s": tree.bytes / 1e6 / median(cpus),
                        "lines_per_cpu_s": tree.lines / median(cpus), "ratio": median(ratios),
                        "ratio_range": harness.spread(ratios)}
    for name in ("agent", "lane"):
        if name in result:
            result[name]["rss"] = max(run[name]["rss"] for run in runs)
    if "agent" in result:
        result["agent"]["wall"] = median(run["agent"]["wall"] for run in runs)
    return result


def goal(value, limit, form="{:g}"):
    return "" if not limit else f"{form.format(limit)} {'met' if value <= limit else 'MISSED'}"


def print_jobs(results):
    rows = []
    for name, result in results.items():
        job = scenarios.BY_NAME[name]
        rows.append([job.title, "floor", f"{result['floor']['mb_per_cpu_s']:.0f}", "1", "", "", "", ""])
        for key, title in (("bare", "bare loop that sends"), ("lane", "hot path alone"), ("agent", "agent")):
            if key not in result:
                continue
            one, last = result[key], key == "agent"
            low, high = one["ratio_range"]
            rows.append(["", title, f"{one['mb_per_cpu_s']:.0f}", f"{one['ratio']:.2f} ({low:.2f}-{high:.2f})",
                         goal(one["ratio"], job.goal_ratio) if last else "", f"{one['wall']:.2f} s" if last else "",
                         mib(one["rss"]) if "rss" in one else "",
                         goal(one["rss"] / 2**20, job.goal_rss_mib) if last else ""])
    if rows:
        print(harness.table(rows, ["job", "program", "MB per CPU-s", "CPU / floor (range)", "goal", "wall", "peak RSS",
                                   "goal MiB"]))


# ---- operating points -----------------------------------------------------------------


@contextlib.contextmanager
def running(args, tree, sink, batchwait="1s"):
    with harness.scratch() as folder:
        config = scenarios.promtail_config(tree, sink.url, folder, scenarios.PLAIN, batchwait)
        with start_agent(args, folder, config) as agent:
            yield agent


def idle(args):
    """500 pods that say nothing, after everything was shipped."""
    with harness.scratch() as folder, harness.Sink(args.programs) as sink:
        tree = harness.make_tree(args.programs, folder, pods=500, lines=5000)
        with running(args, tree, sink) as agent:
            sink.expect(tree.lines, args.timeout, agent.alive)
            time.sleep(1 if args.quick else 12)  # past the first save of positions
            found = harness.window(agent, 3 if args.quick else 30)
    found["cpu_in_30_s"] = found["cpu"] * 30 / found["seconds"]
    return found, [
        ["idle, 500 pods: CPU in 30 s", f"{found['cpu_in_30_s']:.3f} s", goal(found["cpu_in_30_s"], 0.03)],
        ["idle, 500 pods: wake-ups per second", f"{found['wakeups_per_s']:.2f}", goal(found["wakeups_per_s"], 1)],
        ["idle, 500 pods: RSS", mib(found["rss"]), goal(found["rss"] / 2**20, 20, "{} MiB")]]


def live(args, seconds, batchwait, settle, **options):
    """The agent beside a writer; what `window` saw, and the sink's last word."""
    with harness.scratch(1 << 28) as folder, harness.Sink(args.programs) as sink:
        # Names first: targets are made from a manifest, and the same seed gives the same pods.
        tree = harness.make_tree(args.programs, folder, pods=options["pods"], lines=0, idle_lines=0)
        with running(args, tree, sink, batchwait) as agent:
            with harness.live_writer(args.programs, folder, **options):
                time.sleep(settle)
                found = harness.window(agent, seconds)
            written = json.loads((folder / "live.json").read_text())
            stats = sink.expect(written["lines"], args.timeout, agent.alive)
    found["written_bytes"], found["written_lines"] = written["bytes"], written["lines"]
    found["latency_ms"] = stats["latency_ms"]
    return found


def steady(args):
    found = live(args, 3 if args.quick else 20, "1s", 2, pods=20, rate="10MB/s")
    found["core"] = found["cpu"] / found["seconds"]
    return found, [["steady 10 MB/s, 20 pods: cores", f"{found['core']:.3f}", goal(found["core"], 0.03)],
                   ["steady 10 MB/s, 20 pods: peak RSS", mib(found["peak"]), ""]]


def sizing(args):
    """Cores and memory at steady rates, for docs/SIZING.md."""
    found, rows = {}, []
    for rate, pods in ((1, 20), (5, 20), (10, 20), (20, 50), (50, 100)):
        if args.quick and rate > 5:
            break
        seen = live(args, 3 if args.quick else 10, "1s", 2, pods=pods, rate=f"{rate}MB/s")
        found[rate] = {"pods": pods, "core": seen["cpu"] / seen["seconds"], "peak": seen["peak"],
                       "wakeups_per_s": seen["wakeups_per_s"], "p99_ms": seen["latency_ms"]["p99"]}
        rows.append([f"{rate} MB/s in {pods} pods: cores, peak RSS",
                     f"{found[rate]['core']:.3f}, {mib(found[rate]['peak'])}", ""])
    return found, rows


def latency(args):
    rows, all_found = [], {}
    for batchwait, limit in (("1s", 1100), ("100ms", 200)):
        found = live(args, 3 if args.quick else 15, batchwait, 1, pods=20, lines_per_second=2000, tick_ms=2)
        all_found[batchwait] = found
        rows.append([f"written to accepted, batchwait {batchwait}: p50 / p99",
                     f"{found['latency_ms']['p50']:.0f} / {found['latency_ms']['p99']:.0f} ms",
                     goal(found["latency_ms"]["p99"], limit, "p99 {:g} ms")])
    return all_found, rows


def cold_start(args):
    """10,000 files are there when the agent starts."""
    pods = 500 if args.quick else 10000
    with harness.scratch(1 << 28) as folder:
        tree = harness.make_tree(args.programs, folder, pods=pods, active=20, bytes="20MB")
        runs = [ship(args, tree) for _ in range(1 if args.quick else 3)]
    found = {"files": pods, "runs": runs, "first_push": median(run["first_push"] for run in runs),
             "steady": median(run["wall"] for run in runs)}
    return found, [
        [f"cold start, {pods} files: first push", f"{found['first_push']:.2f} s", goal(found["first_push"], 1, "{} s")],
        [f"cold start, {pods} files: all shipped", f"{found['steady']:.2f} s", goal(found["steady"], 5, "{} s")]]


def lanes(args):
    """Wall time of one lane and of two, on two cores that must be free: the lanes alone, and
    the whole agent, which shares the two cores with its own sender and with the sink."""
    job = scenarios.BY_NAME["cri-regex"]
    with harness.scratch(args.size) as folder:
        tree = harness.make_tree(args.programs, folder, **job.sized(args.size))
        walls, alone = {1: [], 2: []}, {1: [], 2: []}
        for _ in range(args.runs):
            for count, seen in walls.items():
                alone[count].append(run_lane(args, tree, job.pipeline, count)["wall"])
                flags, args.agent_flags = args.agent_flags, [*args.agent_flags, args.lanes_flag.format(count)]
                try:
                    seen.append(ship(args, tree, job, "100ms")["wall"])
                finally:
                    args.agent_flags = flags
    gain, lanes_gain = (median(all_of[1]) / median(all_of[2]) for all_of in (walls, alone))
    return {"walls": walls, "gain": gain, "alone": alone, "lanes_gain": lanes_gain}, [
        ["two lanes / one, wall throughput, lanes alone", f"{lanes_gain:.2f}",
         f"1.7 {'met' if lanes_gain >= 1.7 else 'MISSED'}"],
        ["two lanes / one, with sender and sink on the same cores", f"{gain:.2f}", ""]]


POINTS = {"idle": idle, "steady": steady, "sizing": sizing, "latency": latency, "cold-start": cold_start, "lanes": lanes}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="jobs and operating points; none: all")
    parser.add_argument("--build", default=str(harness.ROOT / "build" / "release"), help="build folder")
    parser.add_argument("--agent", help="another agent program than the build's")
    parser.add_argument("--agent-flags", type=shlex.split, default=[], help="more flags for the agent")
    parser.add_argument("--no-agent", action="store_true", help="floor, bare loop and hot path only; no operating points")
    parser.add_argument("--lanes-flag", default="-lanes={}", help="how the agent is told its number of lanes")
    parser.add_argument("--size", type=int, help="MiB in a job's tree (default 512; 16 with --quick)")
    parser.add_argument("--runs", type=int, help="interleaved runs of a job (default 7; 1 with --quick)")
    parser.add_argument("--timeout", type=float, default=120, help="seconds for one run")
    parser.add_argument("--quick", action="store_true", help="small and once: a smoke test, not a measurement")
    parser.add_argument("--save", help="name under bench/results/ (default e2e; --quick saves nothing)")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    args.size = (args.size or (16 if args.quick else 512)) << 20
    args.runs = args.runs or (1 if args.quick else 7)
    return args


def main():
    args = parse()
    if args.list:
        for job in scenarios.JOBS:
            print(f"{job.name:18} {job.title}")
        for name, point in POINTS.items():
            print(f"{name:18} {(point.__doc__ or name).splitlines()[0]}")
        return 0
    names = args.names or [*scenarios.BY_NAME, *([] if args.no_agent else POINTS)]
    unknown = [name for name in names if name not in scenarios.BY_NAME and name not in POINTS]
    if unknown:
        sys.exit(f"no such job: {', '.join(unknown)} (--list shows them)")
    args.programs = harness.Programs(args.build, args.agent)
    if not args.no_agent:
        check_agent(args)
    result = {**harness.facts(args.programs), "quick": args.quick, "jobs": {}, "points": {}}
    rows, failed = [], []
    for name in names:
        note(f"{name} ...")
        try:
            if name in scenarios.BY_NAME:
                result["jobs"][name] = run_job(args, scenarios.BY_NAME[name])
            else:
                result["points"][name], more = POINTS[name](args)
                rows += more
        except Refused as refused:
            failed.append(name)
            note(f"  NO NUMBER for {name}: {refused}")
    print_jobs(result["jobs"])
    if rows:
        print("\n" + harness.table(rows, ["operating point", "measured", "goal"]))
    if args.save or not args.quick:
        harness.save(args.save or "e2e", result)
    if failed:
        note(f"no number for: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"e2e: {refused}")
