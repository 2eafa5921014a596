#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the agent's CPU time goes in one job: a table of functions, and of what they are for.

Samples the running agent with `perf record -e cpu-clock`, which works in virtual
machines without hardware counters, too.

  bench/profile.py [JOB]          default: cri
  bench/profile.py cri-regex --lane   the hot path alone (bench/lane) instead of the agent
"""
import collections
import re
import subprocess
import sys

import harness
import perf_tools
import scenarios
from harness import Refused

FEWEST_FUNCTIONS = 20


def sample(args, job, folder):
    data = folder / "perf.data"
    tree = harness.make_tree(args.programs, folder, **job.sized(args.size))
    with harness.Sink(args.programs) as sink:
        if args.lane:
            path = folder / "pipeline.yaml"
            path.write_text(job.pipeline + "\n")
            words, marks = [args.programs.lane, f"--pipeline={path}", tree.path], 0
        else:
            path = folder / "agent.yaml"
            path.write_text(scenarios.promtail_config(tree, sink.url, folder, job))
            words, marks = [args.programs.agent, f"-config.file={path}"], tree.lines
        with harness.Process(words, folder / "program.log") as process:
            perf = perf_tools.record(process, data, args.frequency, 1 if args.lane else perf_tools.AGENT_THREADS)
            if args.lane:
                process.finish(args.timeout)
            else:
                sink.expect(marks, args.timeout, process.alive)
                process.stop()
        perf.wait()
    done = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-F", "overhead,dso,symbol",
                           "-w", "0,40,200"], capture_output=True, text=True)
    rows = []
    for line in done.stdout.splitlines():
        match = re.match(r"\s*(\d+\.\d+)%\s+(\S+)\s+(\[[k.]\]) (.*?)\s*$", line)
        if match:
            rows.append((float(match[1]), match[2], match[3], match[4]))
    if len(rows) < FEWEST_FUNCTIONS:
        raise Refused(f"perf saw {len(rows)} functions, which is no profile: {done.stderr.strip()[-300:]}")
    return rows


def main():
    def more(parser):
        parser.add_argument("--lane", action="store_true")
        parser.add_argument("--top", type=int, default=25)

    args = perf_tools.parse(__doc__, 1024, more)
    with harness.scratch(args.size) as folder:
        rows = sample(args, scenarios.BY_NAME[args.job], folder)
    sums = collections.Counter()
    for share, library, ring, symbol in rows:
        sums[perf_tools.purpose(f"{library} {ring} {symbol}")] += share
    print(harness.table([[name, f"{share:.1f} %"] for name, share in sums.most_common()], ["what for", "CPU time"]))
    print()
    print(harness.table([[f"{share:.1f} %", library, symbol[:90].replace("|", r"\|"), perf_tools.purpose(f"{library} {ring} {symbol}")]
                         for share, library, ring, symbol in rows[:args.top]], ["CPU time", "library", "function", "what for"]))
    harness.save(f"profile-{args.job}{'-lane' if args.lane else ''}",
                 {**harness.facts(args.programs), "job": args.job, "lane": args.lane, "purposes": dict(sums.most_common()),
                  "functions": [list(row) for row in rows[:60]]})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        sys.exit(f"profile: {refused}")
