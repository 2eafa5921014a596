#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is one commit faster than another? Builds both, runs both in turn, and gives a verdict
only where the ranges of their runs do not overlap.

  bench/compare.py BASE HEAD           commits, branches or tags
  bench/compare.py main .              . is the working tree as it is, committed or not
  bench/compare.py BASE HEAD --jobs cri multiline --runs 11

A folder that holds bin/agent may stand for a commit, too. Yardsticks (sink, podgen,
floor) are those of HEAD for both sides. Exit status 1: HEAD is slower or larger in a
job by more than --threshold.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import e2e
import harness
import scenarios
from harness import Refused, median, note

MEASURES = {"cpu": "CPU", "rss": "peak RSS", "wall": "wall"}
JOBS = ["cri", "cri-json-labels", "cri-regex", "multiline"]


def build(revision, folder, jobs):
    """A build folder for a revision."""
    given = pathlib.Path(revision)
    if (given / "bin" / "agent").exists():
        return given
    if revision == ".":
        source = harness.ROOT
    else:
        source = folder / "source"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", source, revision], cwd=harness.ROOT, check=True)
    place = folder / "build"
    note(f"building {revision} ...")
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    with open(folder / "build.log", "w") as log:
        for command in (["cmake", "--preset", "release", "-B", place, *launcher],
                        ["ninja", f"-j{jobs}", "-C", place, "agent", "sink", "podgen", "floor"]):
            if subprocess.run(command, cwd=source, stdout=log, stderr=log).returncode != 0:
                log.flush()
                raise Refused(f"{revision} does not build:\n" + (folder / "build.log").read_text()[-3000:])
    return place


def remove_worktree(folder):
    source = folder / "source"
    if source.exists():
        subprocess.run(["git", "worktree", "remove", "--force", source], cwd=harness.ROOT, check=False)


def verdict(base, head):
    """How head differs, or nothing if the runs overlap."""
    (base_low, base_high), (head_low, head_high) = harness.spread(base), harness.spread(head)
    change = median(head) / median(base) - 1
    if head_high < base_low or head_low > base_high:
        return change, f"{change:+.1%}"
    return 0.0, f"no difference ({change:+.1%}, ranges overlap)"


def measure(args, job, sides):
    """{side: {measure: [values]}}, one run of each side in turn, the order swapped each time."""
    found = {side: {key: [] for key in MEASURES} for side in sides}
    with harness.scratch(args.size) as folder:
        tree = harness.make_tree(args.programs, folder, **job.sized(args.size))
        for number in range(args.runs):
            order = list(sides) if number % 2 == 0 else list(reversed(sides))
            for side in order:
                args.programs.agent = sides[side] / "bin" / "agent"
                run = e2e.ship(args, tree, job)
                for key in MEASURES:
                    found[side][key].append(run[key])
            note(f"  {job.name} {number + 1}/{args.runs}: " +
                 ", ".join(f"{side} {found[side]['cpu'][-1]:.2f} s" for side in sides))
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--jobs", nargs="+", default=JOBS, choices=list(scenarios.BY_NAME))
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--size", type=int, default=256, help="MiB in a tree")
    parser.add_argument("--threshold", type=float, default=0.03, help="smaller changes do not fail")
    parser.add_argument("--agent-flags", nargs="*", default=[])
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--make-jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", help="write the numbers here")
    args = parser.parse_args()
    args.size <<= 20
    return args


def main():
    args = parse()
    with tempfile.TemporaryDirectory(prefix="sluice-compare-") as scratch:
        folders = {side: pathlib.Path(scratch) / side for side in ("base", "head")}
        try:
            sides = {}
            for side, folder in folders.items():
                folder.mkdir()
                sides[side] = build(getattr(args, side), folder, args.make_jobs)
            args.programs = harness.Programs(sides["head"])
            found = {name: measure(args, scenarios.BY_NAME[name], sides) for name in args.jobs}
        finally:
            for folder in folders.values():
                remove_worktree(folder)
    rows, worse = [], []
    for name, sides in found.items():
        for key, title in MEASURES.items():
            base, head = sides["base"][key], sides["head"][key]
            change, text = verdict(base, head)
            shown = harness.mib if key == "rss" else "{:.3f} s".format
            rows.append([name, title, shown(median(base)), shown(median(head)), text])
            if change > args.threshold:
                worse.append(f"{name}: {title} {text}")
    print(harness.table(rows, ["job", "what", f"{args.base} (median)", f"{args.head} (median)", "verdict"]))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({"base": args.base, "head": args.head, "found": found}, indent=1))
    for sentence in worse:
        print(f"WORSE  {sentence}")
    return 1 if worse else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"compare: {refused}")
