#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions and allocations per line of the hot path, against a budget.

`lane` runs each job of micro/jobs.py under callgrind over two trees, one twice as large
as the other: the difference, divided by the lines that it has more, is free of start-up
and settles on noisy machines. CI fails where a job exceeds its budget in
micro/budget.json by more than the tolerance, or allocates per line (micro/jobs.py).

  bench/instructions.py                  check every job
  bench/instructions.py regex json       these
  bench/instructions.py --update NAMES   measure and write the budget
  bench/instructions.py --time           native times per stage instead (no valgrind), as
                                         ratios to the floor on the same lines in the same
                                         run; --save writes them to bench/results
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
        """In turn: the floor, the job without its stages, the job, bare RE2 where it is
        one of regular expressions. CPU nanoseconds per line, each the best of some runs."""
        tree = self.tree(jobs.JOBS[name][0], size)
        base, seen = jobs.base_of(name), {"floor": [], "base": [], "job": [], "re2": []}
        for _ in range(runs):
            seen["floor"].append(harness.run_floor(self.programs, tree)["cpu"])
            if base:
                seen["base"].append(json.loads(self.run(self.command(base, tree)).stdout)["cpu_s"])
            said = json.loads(self.run(self.command(name, tree)).stdout)
            if said["lines"] != tree.lines:
                raise Refused(f"lane read {said['lines']} of {tree.lines} lines")
            seen["job"].append(said["cpu_s"])
            if name == "regex":
                seen["re2"].append(self.bare_re2(jobs.LEVEL, tree))
        best = {key: min(each) / tree.lines * 1e9 for key, each in seen.items() if each}
        found = {"kind": jobs.JOBS[name][0], "ns_per_line": best, "bytes_per_line": tree.bytes / tree.lines,
                 "ratio": best["job"] / best["floor"], "allocations": said["allocations"] / tree.lines}
        if base:  # how fast the stages are alone
            found["alone_ns"] = best["job"] - best["base"]
            found["share_of_floor"] = best["floor"] / max(found["alone_ns"], 0.1)
        if "re2" in best:
            found["over_re2"] = found["alone_ns"] / best["re2"]
        return found

    def bare_re2(self, expression, tree):
        said = json.loads(self.run([str(self.programs.bin / "bare_re2"), f"--expression={expression}", str(tree.path)]).stdout)
        if said["lines"] != tree.lines:
            raise Refused(f"bare_re2 read {said['lines']} of {tree.lines} lines")
        return said["cpu_s"]


def check(measured, budget, tolerance, most_allocations=jobs.MOST_ALLOCATIONS):
    """What is wrong, as sentences. Without a budget only allocations are looked at."""
    wrong = []
    limit = budget["instructions"] * (1 + tolerance) if budget else float("inf")
    if measured["instructions"] > limit:
        wrong.append(f"{measured['instructions']:g} instructions per line, at most {limit:.0f} "
                     f"(budget {budget['instructions']:g} and {tolerance:.0%})")
    if measured["allocations"] > most_allocations:
        wrong.append(f"{measured['allocations']:g} allocations per line, at most {most_allocations:g}")
    return wrong


def goals_of(name, found):
    """(goal as text, met) of what a stage must do alone."""
    if name in jobs.SHARE_OF_FLOOR:
        goal = jobs.SHARE_OF_FLOOR[name]
        return f"at least {goal:.2f} of the floor's speed", found["share_of_floor"] >= goal
    if "over_re2" in found:
        return f"at most {jobs.MOST_OVER_RE2:g} of RE2 alone", found["over_re2"] <= jobs.MOST_OVER_RE2
    return "", True


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
    result, rows = {**harness.facts(lane.programs), "jobs": {}}, []
    for name in names:
        try:
            found = result["jobs"][name] = lane.timed(name, args.time_size, args.runs)
            rows.append(time_row(name, found))
        except Refused as refused:
            rows.append([name, f"no number: {refused}"] + [""] * (len(TIME_HEAD) - 2))
    print(harness.table(rows, TIME_HEAD))
    if args.save:
        harness.save("stages", result)
    return 0


LEAST_NS = 30
TIME_HEAD = ["job", "CPU / floor", "the stages alone, ns per line", "their MB per CPU-s (the floor's)", "their speed / the floor's", "goal",
             "allocations per line"]


def time_row(name, found):
    goal, met = goals_of(name, found)
    if goal:
        goal += f": {found['over_re2']:.2f}" if "over_re2" in found else ""
        goal += " ✓" if met else " ✗"
    alone = share = speed = ""
    if "alone_ns" in found:
        # A difference of two times, each of some 500 ns: a small one is noise.
        seen = found["alone_ns"] >= LEAST_NS
        alone = f"{found['alone_ns']:+.0f}" if seen else f"under {LEAST_NS}"
        over = "" if seen else "over "
        nanos = max(found["alone_ns"], LEAST_NS)
        share = f"{over}{found['ns_per_line']['floor'] / nanos:.2f}" if seen or goal else ""
        floor = found["bytes_per_line"] / found["ns_per_line"]["floor"] * 1e3
        speed = f"{over}{found['bytes_per_line'] / nanos * 1e3:.0f} ({floor:.0f})" if share else ""
    return [name, f"{found['ratio']:.2f}", alone, speed, share, goal, f"{found['allocations']:.4f}"]


def report(args, budget, found):
    failed, rows = [], []
    for name, measured in found.items():
        if isinstance(measured, Refused):
            failed.append(f"{name}: {measured}")
            continue
        allowed = budget["jobs"].get(name)
        wrong = check(measured, allowed, budget["tolerance"], jobs.most_allocations(name))
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
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="with --time: for the tables of docs/PERFORMANCE.md")
    args = parser.parse_args()
    budget = json.loads(BUDGET.read_text()) if BUDGET.exists() else {"tolerance": 0.03, "jobs": {}}
    unknown = [name for name in args.names if name not in jobs.JOBS]
    if unknown:
        sys.exit(f"no such job: {', '.join(unknown)}; there are {', '.join(jobs.JOBS)}")
    names = args.names or list(jobs.JOBS)
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
