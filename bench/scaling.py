#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How cost grows: number of files, line length, streams, stages, round-trip time.

Each curve is measured with the floor of the same tree beside it; JSON and pictures go
to bench/results/. A run that lost a line gives no point.

  bench/scaling.py             all curves
  bench/scaling.py files rtt   these
  bench/scaling.py --quick     few points, small trees
"""
import argparse
import sys

import e2e
import harness
import scenarios
import svg
from harness import Refused, median, note

LENGTHS = [20, 64, 256, 1024, 4096, 16384, 65536]
COUNTS = [1, 10, 100, 1000, 10000]
# So many streams are what the guard is there to prevent.
NO_LIMITS = "{max_active_streams: 0, cardinality: {enabled: false}}"
RTTS = [0, 5, 20, 50, 100, 200]
# The stages that are added one by one, so that the next has work to do.
STAGES = [
    r"- regex: {expression: '^\S+ \S+ (?P<level>[A-Z]+) +\[(?P<thread>[^\]]+)\]'}",
    "- labels: {level: null}",
    "- static_labels: {team: shop}",
    "- drop: {expression: 'never in these lines'}",
    r"- replace: {expression: '(\d+) ms', replace: '$1'}",
    "- template: {source: level, template: '{{ ToLower .Value }}'}",
    "- match: {selector: '{namespace=\"nowhere\"}', action: drop}",
    "- tenant: {value: shop}",
    "- labeldrop: [nothing]",
    "- decolorize: {}",
    "- structured_metadata: {thread: null}",
]


def point(args, tree_options, pipeline=scenarios.CRI, sink_options=(), limits="", client=""):
    job = scenarios.Job("point", "", {}, pipeline, limits=limits, client=client)
    with harness.scratch(args.size * 2) as folder:
        tree = harness.make_tree(args.programs, folder, **tree_options)
        runs = []
        for _ in range(args.runs):
            floor = harness.run_floor(args.programs, tree)
            run = e2e.ship(args, tree, job, "1s", sink_options)
            runs.append({"ns_per_line": run["cpu"] / tree.lines * 1e9, "floor_ns_per_line": floor["cpu"] / tree.lines * 1e9,
                         "mb_per_cpu_s": tree.bytes / 1e6 / run["cpu"], "rss_mib": run["rss"] / 2**20,
                         "mb_per_s": tree.bytes / 1e6 / run["wall"], "streams": run["streams"],
                         "ratio": run["cpu"] / floor["cpu"]})
    return {key: median(run[key] for run in runs) for key in runs[0]}


def files(args):
    """Number of files, the same bytes in all of them together."""
    counts = COUNTS[:4:2] if args.quick else COUNTS
    return {count: point(args, {"kind": "app", "pods": count, "bytes": args.size}) for count in counts}


def idle_files(args):
    """Number of files, 20 of them busy, the others silent."""
    counts = [20, 1000] if args.quick else [20, 100, 1000, 10000]
    return {count: point(args, {"kind": "app", "pods": count, "active": 20, "bytes": args.size}) for count in counts}


def line_length(args):
    """Bytes of a line."""
    lengths = LENGTHS[::3] if args.quick else LENGTHS
    return {length: point(args, {"kind": "fixed", "line-size": length, "partial-at": 0, "bytes": args.size})
            for length in lengths}


def streams(args):
    """Number of streams: 64 worker threads of an application, as a label, in ever more pods."""
    regex = scenarios.CRI + r"""
- regex:
    expression: '^\S+ \S+ \S+ +\[http-nio-8080-exec-(?P<worker>\d+)\]'
"""
    label = regex + "- labels: {worker: null}\n"
    found = {}
    for pods, pipeline in ((1, regex), (16, label)) if args.quick else ((1, regex), (1, label), (16, label), (160, label)):
        seen = point(args, {"kind": "app", "pods": pods, "bytes": args.size, "stderr": 0}, pipeline, limits=NO_LIMITS)
        found[int(seen["streams"])] = seen
    return found


def stages(args):
    """Number of stages after cri."""
    counts = [0, 2] if args.quick else range(len(STAGES) + 1)
    return {count: point(args, {"kind": "app", "pods": 20, "bytes": args.size},
                         "\n".join([scenarios.CRI, *STAGES[:count]])) for count in counts}


def rtt(args, client=""):
    """Milliseconds until Loki answers."""
    found = {}
    for delay in RTTS[::2] if args.quick else RTTS:
        found[delay] = point(args, {"kind": "app", "pods": 20, "bytes": args.size}, sink_options=[f"--delay-ms={delay}"],
                             client=client)
    return found


def rtt_parallel(args):
    """The same with eight requests in flight; the lines of a stream stay in order."""
    return rtt(args, client="parallel: 8")


CURVES = {  # name -> (function, x title, log x)
    "files": (files, "files, the same bytes in all together", True),
    "idle-files": (idle_files, "files, 20 of them busy", True),
    "line-length": (line_length, "bytes of a line", True),
    "streams": (streams, "streams", True),
    "stages": (stages, "stages after cri", False),
    "rtt": (rtt, "milliseconds until Loki answers", False),
    "rtt-parallel": (rtt_parallel, "milliseconds until Loki answers, `parallel: 8`", False),
}


def draw(name, found, x_title, log_x):
    xs = sorted(found)
    pictures = {
        "cpu": ("CPU per line", "nanoseconds", {"agent": "ns_per_line", "floor": "floor_ns_per_line"}),
        "rss": ("Peak memory", "MiB", {"agent": "rss_mib"}),
    }
    if name.startswith("rtt"):
        pictures["wall"] = ("Throughput", "MB per second", {"agent": "mb_per_s"})
    for kind, (title, y_title, lines) in pictures.items():
        log_y = name == "line-length" and kind == "cpu"
        text = svg.chart(f"{title} against {x_title.split(',')[0]}", x_title, y_title,
                         {label: [(x, found[x][key]) for x in xs] for label, key in lines.items()},
                         log_x=log_x, log_y=log_y, categories=xs)
        (harness.RESULTS / f"scaling-{name}-{kind}.svg").write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CURVES)}")
    parser.add_argument("--build", default=str(harness.ROOT / "build" / "release"))
    parser.add_argument("--agent")
    parser.add_argument("--agent-flags", nargs="*", default=[])
    parser.add_argument("--size", type=int, help="MiB in a tree (default 128; 8 with --quick)")
    parser.add_argument("--runs", type=int, help="per point (default 3; 1 with --quick)")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    args.size = (args.size or (8 if args.quick else 128)) << 20
    args.runs = args.runs or (1 if args.quick else 3)
    args.programs = harness.Programs(args.build, args.agent)
    unknown = [name for name in args.names if name not in CURVES]
    if unknown:
        sys.exit(f"no such curve: {', '.join(unknown)}; there are {', '.join(CURVES)}")
    result, failed = {**harness.facts(args.programs), "quick": args.quick, "curves": {}}, []
    harness.RESULTS.mkdir(parents=True, exist_ok=True)
    for name in args.names or CURVES:
        measure, x_title, log_x = CURVES[name]
        note(f"{name} ...")
        try:
            found = measure(args)
        except Refused as refused:
            failed.append(name)
            note(f"  NO CURVE for {name}: {refused}")
            continue
        result["curves"][name] = found
        rows = [[x, f"{found[x]['ns_per_line']:.0f}", f"{found[x]['floor_ns_per_line']:.0f}", f"{found[x]['ratio']:.2f}",
                 f"{found[x]['mb_per_cpu_s']:.0f}", f"{found[x]['mb_per_s']:.0f}", f"{found[x]['rss_mib']:.1f}"]
                for x in sorted(found)]
        print(f"\n{x_title}\n" + harness.table(rows, [name, "ns per line", "floor's", "ratio", "MB per CPU-s",
                                                      "MB per s", "peak RSS MiB"]))
        if not args.quick:
            draw(name, found, x_title, log_x)
    if not args.quick:
        harness.save("scaling", result)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"scaling: {refused}")
