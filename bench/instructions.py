#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions and allocations per line of the hot path, against a budget.

`lane` runs each job of micro/jobs.py under callgrind over two trees, one twice as large
as the other: the difference, divided by the lines that it has more, is free of start-up
and settles on noisy machines. CI fails where a job exceeds its budget in
micro/budget.json by more than the tolerance, or allocates per line.

  bench/instructions.py                  check every job that has a budget
  bench/instructions.py regex json       these
  bench/instructions.py --update NAMES   measure and write the budget
  bench/instructions.py --time           native times per stage instead (no valgrind)
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys

import harness
from harness import Refused, note
from micro import jobs

BUDGET = harness.ROOT / "bench" / "micro" / "budget.json"
START = 1_700_000_000  # lines carry the same times in every run
TOTAL = re.compile(r"(?:Collected : |summary: |totals: )(\d+)")


class Lane:
    def __init__(self, programs, folder):
        self.program = programs.bin / "lane"
        if not self.program.exists():
            raise Refused(f"{self.program} is not built: ninja -C {programs.bin.parent} lane podgen")
        self.programs, self.folder, self.trees = programs, folder, {}

    def tree(self, kind, size):
        key = f"{kind}-{size}"
        if key not in self.trees:
            place = self.folder / key
            place.mkdir()
            self.trees[key] = harness.make_tree(self.programs, place, kind=kind, pods=4, bytes=size, start=START)
        return self.trees[key]

    def command(self, name, tree):
        pipeline = self.folder / f"{name}.yaml"
        pipeline.write_text(json.dumps(jobs.stages(name)))  # JSON is YAML
        return [str(self.program), f"--pipeline={pipeline}", str(tree.path)]

    def run(self, command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line and not line.startswith("==")]  # not valgrind's
            raise Refused((said or [f"exit status {done.returncode}"])[0])
        return done

    def counted(self, name, size):
        """Instructions and what lane says, over one tree."""
        tree = self.tree(jobs.JOBS[name][0], size)
        out = self.folder / f"{name}-{size}.callgrind"
        done = self.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *self.command(name, tree)])
        total = TOTAL.search(done.stderr) or TOTAL.search(out.read_text())
        said = json.loads(done.stdout)
        if said["lines"] != tree.lines:
            raise Refused(f"lane read {said['lines']} of {tree.lines} lines")
        return int(total[1]), said

    def per_line(self, name, size):
        (small, first), (large, second) = self.counted(name, size), self.counted(name, 2 * size)
        lines = second["lines"] - first["lines"]
        return {"instructions": round((large - small) / lines, 1),
                "allocations": round((second["allocations"] - first["allocations"]) / lines, 4)}

    def timed(self, name, size, runs):
        """Best of some runs: nanoseconds per line, MB per CPU-second."""
        tree = self.tree(jobs.JOBS[name][0], size)
        said = [json.loads(self.run(self.command(name, tree)).stdout) for _ in range(runs)]
        cpu = min(each["cpu_s"] for each in said)
        return {"ns_per_line": cpu / tree.lines * 1e9, "mb_per_cpu_s": tree.bytes / 1e6 / cpu,
                "allocations": said[0]["allocations"] / tree.lines}


def check(measured, budget, tolerance):
    """What is wrong, as sentences."""
    wrong = []
    limit = budget["instructions"] * (1 + tolerance)
    if measured["instructions"] > limit:
        wrong.append(f"{measured['instructions']:g} instructions per line, at most {limit:.0f} "
                     f"(budget {budget['instructions']:g} and {tolerance:.0%})")
    if measured["allocations"] > budget["allocations"] + 0.01:
        wrong.append(f"{measured['allocations']:g} allocations per line, at most {budget['allocations']:g}")
    return wrong


def measure(args, lane, names):
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for name in names:  # trees first: not from several threads
            for size in (args.size, 2 * args.size):
                lane.tree(jobs.JOBS[name][0], size)
        futures = {name: pool.submit(lane.per_line, name, args.size) for name in names}
    found = {}
    for name, future in futures.items():
        try:
            found[name] = future.result()
        except Refused as refused:
            found[name] = refused
    return found


def show_times(args, lane, names):
    rows = []
    for name in names:
        try:
            found = lane.timed(name, args.time_size, args.runs)
            base = jobs.base_of(name)
            more = f"{found['ns_per_line'] - lane.timed(base, args.time_size, args.runs)['ns_per_line']:+.0f}" if base else ""
            rows.append([name, f"{found['ns_per_line']:.0f}", more, f"{found['mb_per_cpu_s']:.0f}",
                         f"{found['allocations']:.4f}"])
        except Refused as refused:
            rows.append([name, f"no number: {refused}", "", "", ""])
    print(harness.table(rows, ["job", "ns per line", "of it the stages", "MB per CPU-s", "allocations per line"]))
    return 0


def report(args, budget, found):
    failed, rows = [], []
    for name, measured in found.items():
        if isinstance(measured, Refused):
            failed.append(f"{name}: {measured}")
            continue
        allowed = budget["jobs"].get(name)
        wrong = check(measured, allowed, budget["tolerance"]) if allowed else []
        failed += [f"{name}: {sentence}" for sentence in wrong]
        change = f"{measured['instructions'] / allowed['instructions'] - 1:+.1%}" if allowed else "new"
        rows.append([name, f"{measured['instructions']:g}", f"{allowed['instructions']:g}" if allowed else "",
                     change, f"{measured['allocations']:g}"])
    print(harness.table(rows, ["job", "instructions per line", "budget", "change", "allocations per line"]))
    for sentence in failed:
        print(f"OVER BUDGET  {sentence}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--build", default=str(harness.ROOT / "build" / "release"))
    parser.add_argument("--size", type=int, default=1 << 20, help="bytes of the smaller tree")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="callgrinds at a time")
    parser.add_argument("--update", action="store_true", help="write what is measured into the budget")
    parser.add_argument("--time", action="store_true", help="native times instead of instructions")
    parser.add_argument("--time-size", type=int, default=64 << 20)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {"tolerance": 0.03, "jobs": {}}
    unknown = [name for name in args.names if name not in jobs.JOBS]
    if unknown:
        sys.exit(f"no such job: {', '.join(unknown)}; there are {', '.join(jobs.JOBS)}")
    names = args.names or list(jobs.JOBS if args.update or args.time else budget["jobs"])
    with harness.scratch() as folder:
        lane = Lane(harness.Programs(args.build), folder)
        if args.time:
            return show_times(args, lane, names)
        if not shutil.which("valgrind"):
            raise Refused("valgrind is not installed")
        found = measure(args, lane, names)
    if not args.update:
        return report(args, budget, found)
    facts = harness.facts(harness.Programs(args.build))
    budget["measured"] = {"date": facts["date"], "cpu": facts["machine"]["cpu"], **facts["build"]}
    for name, measured in found.items():
        if isinstance(measured, Refused):
            note(f"left out: {name}: {measured}")
        else:
            budget["jobs"][name] = measured
    BUDGET.write_text(json.dumps(budget, indent=1) + "\n")
    return report(args, budget, {name: each for name, each in found.items() if not isinstance(each, Refused)})


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"instructions: {refused}")
