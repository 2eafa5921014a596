# SPDX-License-Identifier: Apache-2.0
"""Compares the agent with the real Promtail on random cases and prints what differs.

    python3 random_run.py --from 1 --count 500 --promtail PATH --logs FOLDER_OF_LOGS

Every case is made from its seed alone; `--show SEED` prints its configuration. A case that
differs is run again with the others that do, so that a slow machine is not taken for a bug.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import cases as case_files  # noqa: E402
import random_cases  # noqa: E402
import side_by_side  # noqa: E402

KEEP = bool(os.environ.get("KEEP"))
QUIET_S = 1.5
MOST_S = 40.0
# What the agent refuses at start, and Promtail only when it reads a file, on purpose.
STRICTER = re.compile(r"is no character set|modulus: expected a whole number")
MEMORY = 6 << 30
SLACK_NS = 2_000_000_000


@dataclasses.dataclass
class Verdict:
    """What is wrong with a case."""

    case: case_files.Case
    what: str
    text: str


def limit_memory() -> None:
    """For the programs started from here: a template may ask for any amount."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def wait_until_quiet(side) -> None:
    """Returns when nothing has come for a while, or the program ended."""
    began = changed = time.monotonic()
    seen = -1
    while time.monotonic() - began < MOST_S and side.process.poll() is None:
        count = side.sink.entries()
        now = time.monotonic()
        if count != seen:
            seen, changed = count, now
        elif now - changed > (QUIET_S if count else 3 * QUIET_S):
            return
        time.sleep(0.05)


def repaired(name: str) -> str:
    """A label's name as the agent sends it where Loki would refuse the push."""
    made = re.sub(b"[^a-zA-Z0-9_]", b"_", name.encode("utf-8", "surrogateescape")).decode()
    return "_" + made if made[:1].isdigit() else made


# Loki refuses labels beyond this length, so the agent cuts them.
LONGEST_VALUE = 2048


class Pair:
    """Both programs on some cases; each case's entries by name."""

    def __init__(self, promtail: Path, some: list, config=None):
        self.folder = Path(tempfile.mkdtemp(prefix="random-"))
        self.began = time.time_ns()
        logs = self.folder / "logs"
        logs.mkdir()
        for case in some:
            case_files.log_path(logs, case).write_bytes(case.input())
        self.sides = [side_by_side.Side(name, [str(program)], self.folder, logs, some, config)
                      for name, program in (("promtail", promtail), ("agent", side_by_side.AGENT))]

    def run(self) -> tuple[list, list]:
        """Entries of both, and who ended by itself."""
        ended = []
        for side in self.sides:
            try:
                wait_until_quiet(side)
                if side.process.poll() is not None:
                    ended.append((side.name, side.process.returncode, side.log()[-3000:]))
                    continue
                side.process.terminate()
                side.process.wait(timeout=60)
            finally:
                side.close()
        self.ended = time.time_ns()
        dumps = [side_by_side.read_dump(side.sink.dump) for side in self.sides]
        if not KEEP:
            shutil.rmtree(self.folder, ignore_errors=True)
        return dumps, ended

    def shown(self, entries: list, ordered: bool) -> dict:
        """By stream, times of reading made equal, and label names as Loki takes them."""
        found: dict = {}
        for e in entries:
            now = self.began - SLACK_NS <= e.ts <= self.ended + SLACK_NS
            labels = tuple(sorted((repaired(name), value[:LONGEST_VALUE // 4]) for name, value in e.labels))
            found.setdefault((e.tenant, labels), []).append(("now" if now else e.ts, e.line, e.metadata))
        return found if ordered else {k: sorted(v, key=repr) for k, v in found.items()}


def difference(theirs: dict, ours: dict) -> str:
    """The first few places where two results part."""
    rows = []
    for stream in sorted(set(theirs) | set(ours), key=repr):
        left, right = theirs.get(stream, []), ours.get(stream, [])
        if left == right:
            continue
        at = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), min(len(left), len(right)))
        rows.append(f"  stream {stream}: {len(left)} / {len(right)} entries, from {at}:")
        rows += [f"    promtail {row!r:.600}" for row in left[at:at + 2]]
        rows += [f"    agent    {row!r:.600}" for row in right[at:at + 2]]
    return "\n".join(rows[:24])


class Comparison:
    """Finds the cases on which the two part."""

    def __init__(self, promtail: Path, folder: Path):
        self.promtail, self.folder = promtail, folder
        self.verdicts: list = []
        self.refused = self.compared = self.panics = 0

    def text(self, some: list) -> str:
        return case_files.configuration(some, self.folder, self.folder / "positions.yaml", "http://127.0.0.1:1/", None)

    def promtail_refuses(self, some: list) -> str:
        status, said = side_by_side.promtail_start(self.promtail, self.text(some), self.folder / "promtail.yaml")
        return said[-1500:] or "?" if status is not None else ""

    def refused_by_promtail(self, some: list) -> dict:
        """Those of the cases that Promtail does not start with."""
        said = self.promtail_refuses(some) if some else ""
        if not said:
            return {}
        if len(some) == 1:
            return {some[0].name: said}
        middle = len(some) // 2
        return self.refused_by_promtail(some[:middle]) | self.refused_by_promtail(some[middle:])

    def settle_refusals(self, some: list) -> list:
        """The cases that both take; where one refuses, the other must."""
        refused = side_by_side.refused_by_agent(some, self.folder, None)
        self.refused += len(refused)
        for case in some:
            stricter = STRICTER.search(refused.get(case.name, ""))
            if case.name in refused and not stricter and not self.promtail_refuses([case]):
                self.verdicts.append(Verdict(case, "only the agent refuses", refused[case.name]))
        taken = [c for c in some if c.name not in refused]
        theirs = self.refused_by_promtail(taken)
        for case in taken:
            if case.name in theirs:
                self.verdicts.append(Verdict(case, "only Promtail refuses", theirs[case.name][-900:]))
        return [c for c in taken if c.name not in theirs]

    def differing(self, some: list) -> list:
        if not some:
            return []
        pair = Pair(self.promtail, some)
        (theirs, ours), ended = pair.run()
        if ended:
            if len(some) == 1:
                if ended[0][0] == "promtail" and "panic: " in ended[0][2]:
                    self.panics += 1  # not to copy
                    return []
                return [Verdict(some[0], f"{ended[0][0]} ended ({ended[0][1]})", ended[0][2][-1500:])]
            middle = len(some) // 2
            return self.differing(some[:middle]) + self.differing(some[middle:])
        found = []
        for case in [*some, dataclasses.replace(some[0], name="", order="any")]:
            a, b = (pair.shown(d.get(case.name, []), case.order != "any") for d in (theirs, ours))
            if a != b:
                found.append(Verdict(case, "differs", difference(a, b)))
        return found

    def batch(self, some: list) -> None:
        good = self.settle_refusals(some)
        self.compared += len(good)
        self.verdicts += self.confirmed(good)

    def confirmed(self, some: list) -> list:
        """What differs twice. Where many do, one may have stopped a program: they are parted."""
        again = [v.case for v in self.differing(some) if v.case.name]
        if len(again) <= 8:
            return self.differing(again)
        middle = len(again) // 2
        return self.confirmed(again[:middle]) + self.confirmed(again[middle:])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--promtail", type=Path)
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--show", type=int)
    given = parser.parse_args()
    if given.show is not None:
        case = random_cases.make(given.show, given.logs)
        print(case_files.configuration([case], Path("/logs"), Path("/positions"), "http://x/", None))
        return 0
    if given.promtail is None:
        import tools
        given.promtail = tools.require("promtail")
    limit_memory()
    folder = Path(tempfile.mkdtemp(prefix="random-"))
    whole = Comparison(given.promtail, folder)
    printed = 0
    for at in range(given.first, given.first + given.count, given.batch):
        whole.batch([random_cases.make(seed, given.logs)
                     for seed in range(at, min(at + given.batch, given.first + given.count))])
        for verdict in whole.verdicts[printed:]:
            print(f"=== {verdict.case.name}: {verdict.what}\n{verdict.text}", flush=True)
        printed = len(whole.verdicts)
        print(f"--- up to {at + given.batch - 1}: {whole.compared} compared, {whole.refused} refused, {whole.panics} panics of Promtail, {printed} differ", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if printed else 0


if __name__ == "__main__":
    sys.exit(main())
